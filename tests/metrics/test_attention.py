"""What needs attention, on a shop whose troubles are planted by hand."""

from __future__ import annotations

import json
import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.settings import load_settings
from sample_data.files import Line, trade_bill
from sample_data.merchant import Order
from tests.conftest import make_home, run_mdash

FIRST = date(2026, 5, 1)
DAYS = 21
OUTAGE = datetime(2026, 5, 19, 10), datetime(2026, 5, 19, 13)


def shop(draw: random.Random, troubled: bool) -> tuple[list[dict[str, Any]], list[Line]]:
    """Forty orders an hour from 9 to 18: the checkout's events, and the bill's lines."""
    events: list[dict[str, Any]] = []
    lines: list[Line] = []
    for number in range(DAYS * 10 * 40):
        day, rest = divmod(number, 400)
        at = datetime.combine(FIRST + timedelta(days=day), datetime.min.time())
        at += timedelta(hours=9 + rest // 40, seconds=80 * (rest % 40))
        client = ("ios", "android")[number % 2]
        lost = 0.1
        if troubled and OUTAGE[0] <= at < OUTAGE[1]:
            lost = 0.8
        elif troubled and day >= DAYS - 7 and client == "ios":
            lost = 0.2
        is_lost = draw.random() < lost
        order = Order(number, at, "QUICK_WAP_WAY", client, None, None, 1, [("A1", "杯", 1, 1000)],
                      1000, None, "paid", paid_at=at + timedelta(seconds=9), fee_fen=6)
        common = {"order_no": order.order_no, "at": f"{at.isoformat()}+08:00"}
        events.append(common | {"event": "order", "channel": "alipay", "amount": "10.00",
                                "client": client, "product": "QUICK_WAP_WAY"})
        if is_lost:
            events.append(common | {
                "event": "attempt", "attempt": 1, "method": "alipay.trade.pay",
                "reached_channel": True, "code": "40004",
                "sub_code": "ACQ.BUYER_BALANCE_NOT_ENOUGH", "elapsed_ms": 200,
            })
        else:
            lines.append(Line(order, None))
    return events, lines


def told(tmp_path: Path, channel_key: bytes, troubled: bool) -> list[Any]:
    home = make_home(tmp_path / "home", channel_key)
    log, bill = tmp_path / "log.jsonl", tmp_path / "bill.csv"
    events, lines = shop(random.Random(5), troubled)
    log.write_text("\n".join(json.dumps(event) for event in events) + "\n", "utf-8")
    last = FIRST + timedelta(days=DAYS - 1)
    bill.write_bytes(trade_bill(FIRST, last, lines))
    assert run_mdash(home, "load", str(log), str(bill)).code == 0
    services = Services(load_settings(home))
    found = services.attention(Question(FIRST, last))
    services.reader.close()
    return [finding for finding in found if finding.page != "data"]


@pytest.mark.slow
@pytest.mark.parametrize("troubled", [True, False])
def test_planted_troubles_are_found_and_chance_is_not(
    tmp_path: Path, channel_key: bytes, troubled: bool
) -> None:
    found = told(tmp_path, channel_key, troubled)
    if not troubled:
        assert found == []
        return
    incident = found[0]
    assert (incident.values["begin"], incident.values["end"]) == ("05-19 10:00", "13:00")
    fall = next(item for item in found if "fell" in item.template)
    assert fall.part is not None
    assert fall.part.slice == ("alipay", "QUICK_WAP_WAY", "ios")
    assert fall.part.reason == "insufficient_funds"
    assert fall.high is not None
    assert fall.high < 0

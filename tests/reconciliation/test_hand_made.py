"""Odd books made by hand: the same line thrice, a channel without accounts, bills that tell no fees."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard import reconciling
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.settings import load_settings
from sample_data import unionpay_files, wechat_files
from sample_data.files import Line, account_bill, trade_bill
from tests.conftest import Mdash
from tests.store.test_bills import load
from tests.store.test_unionpay_bills import paid

pytestmark = pytest.mark.slow

DAY = date(2026, 5, 3)
PERIOD = ("--from", "2026-05-01", "--to", "2026-05-31", "--format", "json")


def taken(number: int, amount_fen: int = 1_000, fee_fen: int = 6) -> Line:
    return paid(number, datetime(2026, 5, 3, 10, number), amount_fen, fee_fen)


def without_fees(bill: bytes) -> bytes:
    """An Alipay trade bill whose layout has no column 服务费."""
    lines = bill.decode("gb18030").split("\r\n")
    header = next(at for at, line in enumerate(lines) if line.startswith("支付宝交易号"))
    column = next(
        at for at, cell in enumerate(lines[header].split(",")) if cell.startswith("服务费")
    )
    for at in range(header, len(lines)):
        cells = lines[at].split(",")
        if not lines[at].startswith("#") and len(cells) > column:
            lines[at] = ",".join(cells[:column] + cells[column + 1 :])
    return "\r\n".join(lines).encode("gb18030")


def items(mdash: Mdash, view: str = "reconciliation_items") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mdash(
        "sql", f"select * from {view} order by all", "--format", "json"
    ).json()["rows"]
    return found


def test_equal_lines_of_a_bill_are_items_of_their_own(mdash: Mdash, tmp_path: Path) -> None:
    load(mdash, tmp_path / "bill.csv", wechat_files.trade_bill([taken(1)] * 3))
    found = items(mdash)
    assert sorted(row["class"] for row in found) == ["duplicate", "duplicate", "long"]
    assert len({row["item"] for row in found}) == 3


def test_a_channel_without_account_bills_waits_for_none(
    mdash: Mdash, home: Path, tmp_path: Path
) -> None:
    lines = [taken(1), taken(2)]
    load(mdash, tmp_path / "trade.csv", wechat_files.trade_bill(lines))
    load(mdash, tmp_path / "1900000109Basic2026-05-03.csv", wechat_files.fund_flow(lines))
    load(mdash, tmp_path / unionpay_files.name_of(DAY), unionpay_files.zm([taken(3)]))
    services = Services(load_settings(home), language="en")
    assert reconciling.missing_bills(services, Question(DAY, DAY)) == []
    told = mdash("metric", "account_reconciliation", *PERIOD).json()
    assert told["rows"] == [{"class": "matched", "items": 4, "amount_fen": 1988}]
    assert [note for note in told["notes"] if "unionpay" in note]


def test_fees_that_only_the_account_tells_are_no_difference(mdash: Mdash, tmp_path: Path) -> None:
    lines = [taken(1), taken(2, 2_000, 12)]
    load(mdash, tmp_path / "trade.csv", without_fees(trade_bill(DAY, DAY, lines)))
    load(mdash, tmp_path / "account.csv", account_bill(DAY, DAY, lines))
    rows = mdash("metric", "account_reconciliation", *PERIOD).json()["rows"]
    assert rows == [{"class": "matched", "items": 4, "amount_fen": 2982}]
    [_, account] = mdash("metric", "reconciliation_identity", *PERIOD).json()["rows"]
    assert (account["ours_fen"], account["bill_fen"], account["gap_fen"]) == (2982, 2982, 0)
    [transit] = mdash("metric", "money_in_transit", *PERIOD).json()["rows"]
    assert (transit["due_fen"], transit["in_transit_fen"]) == (2982, 0)


def test_a_second_export_keeps_what_was_done_unless_the_amount_is_another(
    mdash: Mdash, tmp_path: Path
) -> None:
    load(mdash, tmp_path / "first.csv", trade_bill(DAY, DAY, [taken(1)]))
    [before] = items(mdash)
    later = trade_bill(DAY, DAY, [taken(1), taken(2)]).replace(b"05:46:49", b"09:46:49")
    assert load(mdash, tmp_path / "second.csv", later)["status"] == "replaced"
    assert before["item"] in {row["item"] for row in items(mdash)}
    other = trade_bill(DAY, DAY, [taken(1, 900)]).replace(b"05:46:49", b"10:46:49")
    load(mdash, tmp_path / "third.csv", other)
    [after] = items(mdash)
    assert (after["item"], after["amount_fen"]) == (before["item"], 900)


def test_a_year_ends_between_two_clearing_days(mdash: Mdash, tmp_path: Path) -> None:
    eve = date(2026, 12, 31)
    lines = {
        eve: [paid(1, datetime(2026, 12, 31, 22, 59, 59), 99_999_999)],
        eve + timedelta(days=1): [paid(2, datetime(2026, 12, 31, 23)), paid(3, datetime(2027, 1, 1))],
    }
    for day, own in lines.items():
        load(mdash, tmp_path / unionpay_files.name_of(day), unionpay_files.zm(own))
    found = [(row["day"], row["bill_at"][:19], row["bill_fen"]) for row in items(mdash)]
    assert sorted(found) == [
        ("2026-12-31", "2026-12-31T22:59:59", 99_999_999),
        ("2027-01-01", "2026-12-31T23:00:00", 1_000),
        ("2027-01-01", "2027-01-01T00:00:00", 1_000),
    ]


def test_like_products_of_two_channels_are_compared(mdash: Mdash, tmp_path: Path) -> None:
    events = [
        {"event": "order", "at": f"2026-05-03T10:{at:02}:00+08:00",
         "channel": channel, "product": product, "amount": "10.00"}
        for channel, product, count in (
            ("alipay", "QUICK_WAP_WAY", 3), ("wechatpay", "JSAPI", 2),
            ("alipay", "FACE_TO_FACE_PAYMENT", 4), ("wechatpay", "PALM", 5),
        )
        for at in range(count)
    ]
    for number, event in enumerate(events):
        event["order_no"] = f"M{number}"
    events.append(events[0] | {"order_no": "late", "at": "2026-05-06T10:00:00+08:00"})
    log = tmp_path / "checkout.jsonl"
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events), "utf-8")
    assert mdash("load", str(log)).code == 0
    rows = mdash("metric", "channel_comparison", "--from", "2026-05-03", "--to", "2026-05-03",
                 "--format", "json").json()["rows"]
    assert [(row["channel"], row["orders"], row["cells"]) for row in rows] == [
        ("alipay", 3, 1), ("wechatpay", 2, 1),
    ]

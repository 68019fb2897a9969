"""A shop whose buyers come and leave as BG/NBD says: predictions hold, and finished cells stay put."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse
from sample_data.files import Line, trade_bill
from sample_data.merchant import Order, Refund
from tests.conftest import make_home, run_mdash

pytestmark = pytest.mark.slow

FIRST, DAYS, CUT = date(2025, 1, 1), 520, 450
BUYERS = 2_600
NOBODY = -1
"""The buyer of an order that the checkout log does not know."""
LAST = FIRST + timedelta(days=DAYS - 1)


def purchases() -> list[Order]:
    """Orders of every buyer by time; a tenth are refunded whole 100 days later."""
    draw = np.random.default_rng(11)
    found: list[Order] = []
    for buyer in range(BUYERS):
        at, rate, leave = draw.uniform(0, 470), draw.gamma(1.2, 1 / 40), draw.beta(1.0, 4.0)
        spend = 6.0 / draw.gamma(5.0, 1 / 2000)
        while at < DAYS:
            moment = datetime.combine(FIRST, datetime.min.time()) + timedelta(days=float(at))
            fen = 100 + int(draw.gamma(6.0, spend * 60))
            found.append(made(len(found), buyer, moment.replace(microsecond=0), fen))
            if draw.random() < leave:
                break
            at += draw.exponential(1 / rate)
    for order in found[::10]:
        done = order.created_at + timedelta(days=100)
        if done.date() <= LAST:
            order.refunds.append(Refund(f"R{order.number}", order.amount_fen, done, done))
    return sorted(found, key=lambda order: order.created_at)


def made(number: int, buyer: int, at: datetime, fen: int) -> Order:
    return Order(number, at, "QUICK_WAP_WAY", "h5", None, None, buyer, [("A1", "杯", 1, fen)], fen,
                 None, "paid", paid_at=at, fee_fen=0)


def load(home: Path, folder: Path, orders: Sequence[Order], first: date, last: date) -> None:
    """Write and load the checkout log and the bill of these days."""
    folder.mkdir()
    lines: list[Line] = []
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        for order in orders:
            if first <= order.created_at.date() <= last:
                lines.append(Line(order, None))
                if order.buyer == NOBODY:
                    continue
                log.write(json.dumps({
                    "event": "order", "order_no": order.order_no, "channel": "alipay",
                    "at": f"{order.created_at.isoformat()}+08:00", "buyer": f"u{order.buyer}",
                    "amount": f"{order.amount_fen / 100:.2f}", "product": order.product,
                }) + "\n")
            backs = [back for back in order.refunds if first <= back.done_at.date() <= last]
            lines += [Line(order, back) for back in backs]
        log.write(json.dumps({
            "event": "close", "order_no": "none", "by": "timeout",
            "at": f"{last.isoformat()}T23:59:59+08:00",
        }) + "\n")
    lines.sort(key=lambda line: line.at)
    (folder / "bill.csv").write_bytes(trade_bill(first, last, lines))
    ran = run_mdash(home, "load", str(folder / "log.jsonl"), str(folder / "bill.csv"))
    assert ran.code == 0, ran.err


def ask(home: Path, name: str, *arguments: str) -> dict[str, Any]:
    ran = run_mdash(home, "metric", name, "--from", FIRST.isoformat(), "--to", "2026-12-31",
                    "--format", "json", *arguments)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json()
    return found


@dataclass(frozen=True)
class Shop:
    """The loaded home, and what retention said before the last days were loaded."""

    home: Path
    orders: Sequence[Order]
    before: list[dict[str, Any]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, channel_key: bytes) -> Shop:
    folder = tmp_path_factory.mktemp("planted")
    home, orders = make_home(folder / "home", channel_key), purchases()
    cut = FIRST + timedelta(days=CUT)
    load(home, folder / "first", orders, FIRST, cut - timedelta(days=1))
    before = ask(home, "retention")["rows"]
    load(home, folder / "second", orders, cut, LAST)
    return Shop(home, orders, before)


def kept(orders: Sequence[Order], until: date) -> dict[int, list[date]]:
    """Days of the purchases of each buyer that stand at the end of a day."""
    found: dict[int, list[date]] = {}
    for order in orders:
        gone = any(back.done_at.date() <= until for back in order.refunds)
        if order.created_at.date() <= until and not gone:
            found.setdefault(order.buyer, []).append(order.created_at.date())
    return found


def test_finished_cells_change_by_refunds_alone(shop: Shop) -> None:
    """Every finished cell is recounted with the refunds of each time: nothing else may move it."""
    after = {(r["cohort"], r["period"]): r for r in ask(shop.home, "retention")["rows"]}
    since = FIRST + timedelta(days=new_after(shop))
    moved = 0
    for row in shop.before:
        if row["returned"] is None:
            continue
        then, now = (
            counted(kept(shop.orders, until), since, row["cohort"], row["period"])
            for until in (FIRST + timedelta(days=CUT - 1), LAST)
        )
        later = after[row["cohort"], row["period"]]
        assert (row["buyers"], row["returned"]) == then
        assert (later["buyers"], later["returned"]) == now
        moved += then != now
    assert moved
    late = sum(
        back.done_at.date() >= later_month(order.created_at.date())
        for order in shop.orders if order.created_at.date() >= since for back in order.refunds
    )
    notes = ask(shop.home, "retention")["notes"]
    told = next(note for note in notes if note.startswith(f"{late} refunds came after the month of"))
    assert "by these, and by nothing else, months that have ended changed later." in told
    months = Counter(
        f"{order.created_at:%Y-%m}" for order in shop.orders if order.created_at.date() >= since
        for back in order.refunds if back.done_at.date() >= later_month(order.created_at.date())
        if back.done_at.date() <= LAST
    )
    named = sorted(months.items(), reverse=True)[:6]
    assert ", ".join(f"{month} ({count})" for month, count in named) in told


def later_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def new_after(shop: Shop) -> int:
    services = Services(load_settings(shop.home))
    note = next(n for n in ask(shop.home, "retention")["notes"] if "first seen" in n)
    services.reader.close()
    return int(note.split(" days of")[0].split()[-1])


def counted(
    days: dict[int, list[date]], since: date, cohort: str, period: int
) -> tuple[int, int]:
    members = [d for d in days.values() if f"{d[0]:%Y-%m}" == cohort and d[0] >= since]
    year, month = (int(part) for part in cohort.split("-"))
    wanted = year * 12 + month + period
    return len(members), sum(any(d.year * 12 + d.month == wanted for d in own) for own in members)


def test_the_gates_open_and_the_prediction_holds(shop: Shop) -> None:
    answer = ask(shop.home, "lifetime_value")
    (row,) = answer["rows"]
    assert row["expected_orders"] > 0, answer["notes"]
    assert row["expected_fen"] > 0
    services = Services(load_settings(shop.home))
    found = Loyalty(services.answers).prediction(Question(FIRST, LAST))
    services.reader.close()
    assert found is not None
    assert found.passes
    assert len(found.weeks) >= 4
    last = found.weeks[-1]
    assert abs(last.expected - last.bought) / last.bought < 0.2
    assert any("BG/NBD" in note for note in ask(shop.home, "churn_risk")["notes"])


def test_the_gates_are_settings(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MDASH_BUYERS__LEAST_NEW", "100000")
    answer = ask(shop.home, "lifetime_value")
    assert answer["rows"][0]["expected_fen"] is None
    assert any("A prediction needs 100000 new buyers" in note for note in answer["notes"])
    monkeypatch.setenv("MDASH_BUYERS__UNPROVEN_DAYS", "300")
    assert new_after(shop) >= 300


def test_buyers_orders_are_what_the_trades_say(shop: Shop) -> None:
    """The signed rows of every load add up to a fresh count, before and after maintenance."""
    assert differences(shop.home) == 0
    with Warehouse(load_settings(shop.home), retry_ladders()) as warehouse:
        warehouse.maintain()
        rows = warehouse.execute(
            "select count(*), count(*) filter (where orders < 1) from lake.buyer_orders"
        ).fetchone()
    assert rows is not None
    assert rows[0] == len(shop.orders)
    assert rows[1] == 0
    assert differences(shop.home) == 0


def differences(home: Path) -> int:
    reader = Reader(load_settings(home), retry_ladders())
    found = reader.one(
        "with truth as (select buyer, created_at, case when refunded_fen < amount_fen then paid_at end"
        " as paid_at, 1 as orders, case when refunded_fen < amount_fen then amount_fen - refunded_fen"
        " else 0 end as net_fen from lake.trade where buyer is not null),"
        " summed as (select buyer, created_at, paid_at, sum(orders) as orders, sum(net_fen) as net_fen"
        " from lake.buyer_orders where buyer is not null group by all"
        " having sum(orders) <> 0 or sum(net_fen) <> 0)"
        " select (select count(*) from (from truth except all from summed))"
        " + (select count(*) from (from summed except all from truth)) as wrong"
    )
    reader.close()
    return int(found["wrong"])


@pytest.mark.slow
def test_what_is_taken_back_leaves_no_buyer_behind(
    tmp_path: Path, channel_key: bytes
) -> None:
    home = make_home(tmp_path / "home", channel_key)
    at = datetime(2025, 3, 1, 23, 50)
    orders = [made(n, n % 2, at + timedelta(days=n), 1000) for n in range(6)]
    load(home, tmp_path / "a", orders, at.date(), date(2025, 3, 31))
    assert differences(home) == 0
    for number in (1, 2):
        assert run_mdash(home, "undo", str(number)).code == 0
        assert differences(home) == 0
    reader = Reader(load_settings(home), retry_ladders())
    left = reader.one("select coalesce(sum(orders), 0) as orders from lake.buyer_orders")
    reader.close()
    assert left["orders"] == 0


def test_days_of_the_shop_and_nameless_purchases(tmp_path: Path, channel_key: bytes) -> None:
    """A purchase at 23:50 is of its month, one at 00:30 of the next; a bill's line has no buyer."""
    home = make_home(tmp_path / "home", channel_key)
    orders = [made(0, 9, datetime(2025, 1, 1, 12), 500)]
    orders += [made(1, 1, datetime(2025, 4, 30, 23, 50), 1000)]
    orders += [made(2, 1, datetime(2025, 5, 1, 0, 30), 700)]
    orders += [made(3, 2, datetime(2025, 5, 1, 0, 30), 1000)]
    orders += [made(4, NOBODY, datetime(2025, 6, 2, 9), 300)]
    load(home, tmp_path / "a", orders, date(2025, 1, 1), date(2025, 6, 30))
    answer = ask(home, "retention")
    cells = {(r["cohort"], r["period"]): (r["buyers"], r["returned"], r["net_fen"])
             for r in answer["rows"]}
    assert cells["2025-04", 0] == (1, 1, 1000)
    assert cells["2025-04", 1] == (1, 1, 700)
    assert cells["2025-05", 0] == (1, 1, 1000)
    assert cells["2025-05", 1] == (1, None, None)
    assert ("2025-01", 0) not in cells
    assert any(note.startswith("1 buyers first seen in the first 90 days") for note in answer["notes"])
    assert any(note.startswith("1 purchases name no buyer") for note in answer["notes"])

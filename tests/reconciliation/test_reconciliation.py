"""Planted breaks are all found and nothing else; ours leads to each bill to the fen."""

from __future__ import annotations

import random
import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard import reconciling
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.settings import load_settings
from sample_data.breaks import Expected
from sample_data.files import Line, account_bill, trade_bill
from tests.conftest import LAST_DAY, run_mdash
from tests.reconciliation.shop import FIRST_DAY, PERIOD, Shop, shop

MIDDLE = LAST_DAY - timedelta(days=3)


def metric(home: Path, name: str, *more: str) -> list[dict[str, Any]]:
    ran = run_mdash(home, "metric", name, *(() if "--from" in more else PERIOD), *more,
                    "--format", "json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.json()["rows"]
    return found


def items(home: Path, bill: str = "trade_bill") -> list[dict[str, Any]]:
    view = {"trade_bill": "reconciliation_items", "account_bill": "account_reconciliation_items"}[bill]
    ran = run_mdash(home, "sql", f"select * from {view} order by all", "--format", "json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.json()["rows"]
    return found


def open_items(home: Path, bill: str) -> dict[str, Counter[int]]:
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for item in items(home, bill):
        if item["class"] != "matched":
            found[item["class"]][item["amount_fen"]] += 1
    return dict(found)


def expected(kept: Expected) -> dict[str, Counter[int]]:
    return {name: Counter(amounts) for name, amounts in kept.items()}


def with_silent(broken: Shop) -> dict[str, Counter[int]]:
    """The planted breaks, and the merchant's own few: messages that never came, the last night."""
    wanted = expected(broken.books.planted)
    wanted["status_mismatch"] = Counter()
    for order in broken.books.told:
        if order.paid_at and order.paid_at.date() > LAST_DAY:
            if order.received_at and order.created_at.date() > LAST_DAY:
                wanted["bill_missing"][order.amount_fen] += 1
        elif order.paid_at and not order.received_at:
            wanted["status_mismatch"][order.amount_fen] += 1
        for refund in order.refunds:
            if not order.received_at and refund.requested_at.date() != refund.done_at.date():
                wanted["cross_day"][-refund.amount_fen] += 1
    return wanted


def test_every_planted_break_is_found_and_nothing_else(broken: Shop, broken_home: Path) -> None:
    found = open_items(broken_home, "trade_bill")
    assert found == with_silent(broken)
    assert set(found) == {
        "long", "short", "bill_missing", "cross_day", "amount_mismatch", "status_mismatch", "duplicate",
        "fee_mismatch",
    }


def test_every_planted_break_of_the_account_is_found(broken: Shop, broken_home: Path) -> None:
    found = open_items(broken_home, "account_bill")
    assert found == expected(broken.books.planted_account)
    assert set(found) == {
        "long", "short", "bill_missing", "cross_day", "fee_mismatch",
    }


@pytest.mark.parametrize("name", ["reconciliation", "account_reconciliation"])
def test_the_metric_counts_the_published_items(broken_home: Path, name: str) -> None:
    bill = "trade_bill" if name == "reconciliation" else "account_bill"
    wanted: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for item in items(broken_home, bill):
        wanted[item["class"]][0] += 1
        wanted[item["class"]][1] += item["amount_fen"]
    rows = metric(broken_home, name)
    assert {row["class"]: [row["items"], row["amount_fen"]] for row in rows} == wanted
    by_day = metric(broken_home, name, "--by", "day")
    assert sum(row["items"] for row in by_day) == sum(count for count, _ in wanted.values())


def test_ours_leads_to_each_bill_to_the_fen(broken: Shop, broken_home: Path) -> None:
    rows = metric(broken_home, "reconciliation_identity", "--by", "day")
    days = {(row["day"], row["bill"]): row for row in rows}
    for day, lines in broken.books.billed.items():
        if day <= LAST_DAY:
            billed = days[day.isoformat(), "trade_bill"]["bill_fen"]
            assert billed == sum(line.amount_fen for line in lines)
    for row in rows:
        assert row["gap_fen"] == 0
        assert row["bill_fen"] == (
            row["ours_fen"] + row["carried_fen"] + row["long_fen"] - row["short_fen"]
            + row["differences_fen"] + row["other_fen"]
        )
    account = sum(row["bill_fen"] for row in rows if row["bill"] == "account_bill")
    assert account == sum(
        fen for day, lines in broken.books.moved.items() if FIRST_DAY <= day <= LAST_DAY
        for line in lines for _, fen in line.moves
    )


def test_ours_is_what_was_told(broken: Shop, broken_home: Path) -> None:
    told = sum(
        order.amount_fen for order in broken.books.told
        if order.paid_at and order.received_at and order.paid_at.date() <= LAST_DAY
    )
    back = sum(
        refund.amount_fen for order in broken.books.told for refund in order.refunds
        if refund.done_at.date() <= LAST_DAY
    )
    rows = metric(broken_home, "reconciliation_identity")
    assert next(row["ours_fen"] for row in rows if row["bill"] == "trade_bill") == told - back


@pytest.mark.slow
def test_a_day_by_itself_says_the_same_as_in_the_whole(broken_home: Path) -> None:
    whole = metric(broken_home, "reconciliation", "--by", "day")
    for at in range(-1, 3):
        day = (MIDDLE + timedelta(days=at)).isoformat()
        alone = metric(broken_home, "reconciliation", "--from", day, "--to", day, "--by", "day")
        assert alone == [row for row in whole if row["day"] == day]


def test_a_second_way_to_count(broken: Shop, broken_home: Path) -> None:
    """Dictionaries over the published views instead of one query."""
    def rows(query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = run_mdash(
            broken_home, "sql", query, "--format", "json"
        ).json()["rows"]
        return found

    bill = Counter(
        (row["order_no"], row["billed_on"], row["fen"]) for row in rows(
            "select order_no, billed_on, order_fen as fen from settlement_lines where kind = 'payment'"
        )
    )
    ours = {
        (row["order_no"], row["day"]): row["fen"] for row in rows(
            "select order_no, min(amount_fen) as fen, min(cast(paid_at + interval 8 hour as date))"
            " as day from notifications where verdict = 'valid' and proves_paid group by order_no"
        )
    }
    matched = sum(bill[number, day, fen] > 0 for (number, day), fen in ours.items())
    own = [item for item in items(broken_home) if item["class"] in ("matched", "fee_mismatch")]
    assert sum(item["kind"] == "payment" for item in own) == matched


@pytest.fixture(scope="module")
def small(channel_key: bytes) -> Shop:
    return shop(channel_key, size=5_600)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_files_in_any_order_give_the_same_items(
    small: Shop, tmp_path: Path, channel_key: bytes, seed: int
) -> None:
    (tmp_path / "once").mkdir()
    once = small.home(tmp_path / "once", channel_key)
    names = sorted(small.files)
    random.Random(seed).shuffle(names)
    (tmp_path / "mixed").mkdir()
    mixed = small.home(tmp_path / "mixed", channel_key, names)
    for bill in ("trade_bill", "account_bill"):
        assert items(mixed, bill) == items(once, bill)
    assert {row["gap_fen"] for row in metric(mixed, "reconciliation_identity", "--by", "day")} == {0}


@pytest.mark.slow
def test_the_next_bill_closes_what_came_up_short_at_midnight(
    broken: Shop, broken_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(broken_home, tmp_path / "home"))
    waiting = [item for item in items(home)
               if item["class"] == "short" and item["our_day"] == LAST_DAY.isoformat()]
    at = [item["item"] for item in waiting]
    orders = {order.order_no: order for order in broken.books.told}
    late = [orders[item["order_no"]] for item in waiting]
    following = LAST_DAY + timedelta(days=1)
    lines = [
        Line(replace(order, paid_at=datetime.combine(following, time(0, 0, 2))), None)
        for order in late
    ]
    _load(home, tmp_path / "next.csv", trade_bill(following, following, lines))
    closed = [item for item in items(home) if item["order_no"] in {o.order_no for o in late}]
    assert {item["class"] for item in closed} == {"cross_day"}
    number = run_mdash(home, "sql", "select max(load_id) as n from loads", "--format", "json")
    assert run_mdash(home, "undo", str(number.json()["rows"][0]["n"])).code == 0
    shorts = {item["item"] for item in items(home) if item["class"] == "short"}
    assert waiting
    assert set(at) <= shorts


@pytest.mark.slow
def test_what_waits_for_a_bill_is_short_once_the_bill_is_there_without_it(
    broken_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(broken_home, tmp_path / "home"))
    before = {item["item"] for item in items(home) if item["class"] == "bill_missing"}
    following = LAST_DAY + timedelta(days=1)
    _load(home, tmp_path / "next.csv", trade_bill(following, following, []))
    after = {item["item"] for item in items(home) if item["class"] == "short"}
    assert before
    assert before <= after


@pytest.mark.slow
def test_undo_takes_the_items_of_a_load_back(broken_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(broken_home, tmp_path / "home"))
    before = items(home, "account_bill")
    again = account_bill(MIDDLE, MIDDLE, []).replace(b"05:46:49", b"09:46:49")
    _load(home, tmp_path / "newer.csv", again)
    assert items(home, "account_bill") != before
    number = run_mdash(home, "sql", "select max(load_id) as n from loads", "--format", "json")
    assert run_mdash(home, "undo", str(number.json()["rows"][0]["n"])).code == 0
    assert items(home, "account_bill") == before


def _load(home: Path, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    ran = run_mdash(home, "load", str(path))
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_a_source_that_is_missing_is_named_and_nothing_is_zero(
    broken: Shop, tmp_path: Path, channel_key: bytes
) -> None:
    home = broken.home(tmp_path, channel_key, [f"trade-{MIDDLE}.csv"])
    ran = run_mdash(home, "metric", "account_reconciliation", *PERIOD, "--format", "json").json()
    assert ran["rows"] == []
    assert any("account_bill" in note for note in ran["notes"])
    ran = run_mdash(home, "metric", "reconciliation", *PERIOD, "--format", "json").json()
    lines = broken.books.billed[MIDDLE]
    by_class = {row["class"]: row["items"] for row in ran["rows"]}
    assert set(by_class) == {"long", "duplicate"}
    assert sum(by_class.values()) == len(lines)
    assert sum(row["amount_fen"] for row in ran["rows"]) == sum(line.amount_fen for line in lines)
    assert any("notification_log" in note for note in ran["notes"])
    assert any(str(len(lines)) in note for note in ran["notes"])
    services = Services(load_settings(home), language="en")
    assert reconciling.open_items(services, Question(FIRST_DAY, LAST_DAY)) == []



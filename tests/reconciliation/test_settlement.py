"""Settlement by hand: splits, fees against the contract, money on its way, balances that jump."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.metrics.channel_comparison import medians, wilson_of_rate
from dashboard.metrics.intervals import wilson
from loaders.settings import load_settings
from loaders.store.reader import Reader
from sample_data.breaks import Moved
from sample_data.files import Line, account_bill, trade_bill
from sample_data.merchant import Order, Refund
from tests.conftest import run_mdash

DAY = date(2026, 5, 4)
NEXT = DAY + timedelta(days=1)
PERIOD = ("--from", "2026-05-01", "--to", "2026-05-31")


def payment(number: int, fen: int, fee: int, day: date = DAY) -> Line:
    at = datetime.combine(day, time(9, number))
    order = Order(number, at, "QUICK_WAP_WAY", "h5", None, None, 1, [("A1", "杯", 1, fen)], fen, None,
                  "paid", paid_at=at, fee_fen=fee)
    return Line(order, None)


@pytest.fixture
def paid() -> list[Line]:
    """100 yuan at 0.60, 200 at 1.27 (7 fen too much), and 50 of the first given back."""
    first, second = payment(1, 10_000, 60), payment(2, 20_000, 127)
    at = first.at + timedelta(hours=1)
    return [first, second, Line(first.order, Refund("R1", 5_000, at, at))]


def home_of(folder: Path, fresh: Path, terms: str, **files: bytes) -> Path:
    home = Path(shutil.copytree(fresh, folder / "home"))
    settings = home / "mdash.toml"
    settings.write_text(settings.read_text("utf-8") + terms, "utf-8")
    for name, content in files.items():
        (folder / f"{name}.csv").write_bytes(content)
    ran = run_mdash(home, "load", *(str(folder / f"{name}.csv") for name in files))
    assert ran.code == 0, ran.err
    return home


def rows(home: Path, name: str, *more: str) -> list[dict[str, Any]]:
    ran = run_mdash(home, "metric", name, *PERIOD, *more, "--format", "json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.json()["rows"]
    return found


def test_gross_to_net_with_a_split(tmp_path: Path, fresh_home: Path, paid: list[Line]) -> None:
    first, second, back = paid
    split = Moved(second.order, None, [("在线支付", 20_000), ("收费", -127), ("交易分账", -3_000)])
    home = home_of(
        tmp_path, fresh_home, "", trade=trade_bill(DAY, DAY, paid),
        account=account_bill(DAY, DAY, [first, split, back]),
    )
    [row] = rows(home, "waterfall")
    assert row == {
        "ordered_fen": 30_000, "discount_fen": 0, "gross_fen": 30_000, "refunded_fen": 5_000,
        "fee_fen": 60 + 127 - 30, "split_fen": 3_000, "net_fen": 30_000 - 5_000 - 157 - 3_000,
        "withdrawn_fen": 0,
    }
    [long] = [row for row in rows(home, "account_reconciliation") if row["class"] == "long"]
    assert (long["items"], long["amount_fen"]) == (1, -3_000)


def test_what_is_charged_above_the_contract_is_listed(
    tmp_path: Path, fresh_home: Path, paid: list[Line]
) -> None:
    home = home_of(tmp_path, fresh_home, 'fee_rate = "0.006"\n', trade=trade_bill(DAY, DAY, paid))
    [row] = rows(home, "fee_rate")
    assert row["fee_fen"] == 187
    assert row["rate"] == pytest.approx(187 / 30_000)
    assert row["contract_rate"] == pytest.approx(0.006)
    assert (row["overcharges"], row["overcharged_fen"]) == (1, 7)


@pytest.mark.slow
def test_without_a_contract_nothing_is_overcharged_or_right(
    tmp_path: Path, fresh_home: Path, paid: list[Line]
) -> None:
    home = home_of(tmp_path, fresh_home, "", trade=trade_bill(DAY, DAY, paid))
    [row] = rows(home, "fee_rate")
    assert (row["contract_rate"], row["overcharges"], row["overcharged_fen"]) == (None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terms", "name"), [('fee_rate = "six"\n', "fee_rate"), ('fee_rate = "6"\n', "fee_rate"),
                        ('settlement_days = "soon"\n', "settlement_days")],
)
def test_terms_that_are_none_are_refused(
    tmp_path: Path, fresh_home: Path, paid: list[Line], terms: str, name: str
) -> None:
    home = home_of(tmp_path, fresh_home, terms, trade=trade_bill(DAY, DAY, paid),
                   account=account_bill(DAY, DAY, paid))
    asked = "fee_rate" if name == "fee_rate" else "money_in_transit"
    ran = run_mdash(home, "metric", asked, *PERIOD)
    assert ran.code == 2
    assert name in ran.err


@pytest.mark.slow
def test_money_is_on_its_way_until_the_account_shows_it(
    tmp_path: Path, fresh_home: Path, paid: list[Line]
) -> None:
    late = payment(3, 7_000, 42)
    third = date(2026, 5, 7)
    home = home_of(
        tmp_path, fresh_home, "settlement_days = 2\n",
        trade=trade_bill(DAY, DAY, [*paid, late]), account=account_bill(DAY, DAY, paid),
        later=account_bill(NEXT, third, []), more=trade_bill(NEXT, third, []),
    )
    [row] = rows(home, "money_in_transit", "--by", "day,channel")
    assert (row["due_fen"], row["in_transit_fen"]) == (25_000 - 157 + 7_000 - 42, 7_000 - 42)
    assert (row["expected_on"], row["overdue_days"]) == ("2026-05-06", 2)
    at = datetime.combine(NEXT, time(10))
    arrived = account_bill(NEXT, third, [Line(_later(late.order, at), None)])
    (tmp_path / "again.csv").write_bytes(arrived.replace(b"05:46:49", b"09:46:49"))
    assert run_mdash(home, "load", str(tmp_path / "again.csv")).code == 0
    [row] = rows(home, "money_in_transit")
    assert (row["in_transit_fen"], row["overdue_days"]) == (0, 0)


def _later(order: Order, at: datetime) -> Order:
    return replace(order, paid_at=at)


@pytest.mark.slow
def test_a_balance_that_jumps_is_flagged(
    tmp_path: Path, fresh_home: Path, paid: list[Line]
) -> None:
    moved = sum(fen for line in paid for _, fen in line.moves)
    more = [payment(4, 1_000, 6, NEXT)]
    last = NEXT + timedelta(days=1)
    home = home_of(
        tmp_path, fresh_home, "", one=account_bill(DAY, DAY, paid, 50_000),
        two=account_bill(NEXT, NEXT, more, 50_000 + moved),
        three=account_bill(last, last, [payment(5, 1_000, 6, last)], 50_000),
    )
    found = rows(home, "balance_roll")
    assert [row["opening_fen"] for row in found] == [50_000, 50_000 + moved, 50_000]
    assert [row["gaps"] for row in found] == [0, 0, 1]
    assert found[2]["gap_fen"] == 50_000 - (50_000 + moved + 994)
    for row in found:
        assert row["opening_fen"] + row["moved_fen"] == row["closing_fen"]


def middle(home: Path, values: list[int], exact: int = 1_000) -> tuple[float, float, float]:
    shown = ", ".join(f"('alipay', 'paying', {value})" for value in values)
    spans = f"(select * from (values {shown}) as value(channel, what, ms))"
    reader = Reader(load_settings(home), {})
    [row] = reader.rows(medians(spans, exact))
    reader.close()
    assert row["size"] == len(values)
    return row["middle"], row["low"], row["high"]


def test_a_median_lies_between_its_order_statistics(fresh_home: Path) -> None:
    assert middle(fresh_home, [5]) == (5, None, None)
    assert middle(fresh_home, [7, 7, 1, 9]) == (7, None, None)
    assert middle(fresh_home, list(range(100, 0, -1))) == (50.5, 41, 61)
    ties = sorted([3] * 60 + [8] * 61)
    spread = 1.959964 * math.sqrt(121) / 2
    assert middle(fresh_home, ties) == (
        8, ties[math.floor(60.5 - spread)], ties[math.ceil(60.5 + spread)],
    )


def test_a_median_of_very_many_is_within_a_percent(fresh_home: Path) -> None:
    values = [at * 37 % 10_007 + 500 for at in range(2_001)]
    exact = middle(fresh_home, values, 2_001)
    assert middle(fresh_home, values, 2_000) == pytest.approx(exact, rel=0.0102)
    assert middle(fresh_home, values, 2_000) != exact


@pytest.mark.parametrize(("part", "whole"), [(3, 10), (50, 60), (0, 8), (8, 8)])
def test_the_weighted_interval_is_wilsons_where_nothing_is_weighted(part: int, whole: int) -> None:
    assert wilson_of_rate(part / whole, whole) == pytest.approx(wilson(part, whole))

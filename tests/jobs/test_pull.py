"""Bills come from the stand-in gateway over its half-minute links, and agree with its money."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from loaders.pull import periods, pull
from loaders.store.days import covered_days
from loaders.store.reader import Reader
from tests.jobs.conftest import Shop, days_ago

pytestmark = pytest.mark.slow

LINK = "alipay.data.dataservice.bill.downloadurl.query"


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12))


def busy(shop: Shop, *days: int) -> None:
    """A payment of 100 and one of 12 yuan on each of these days, 5 yuan given back."""
    ledger = shop.gateway.ledger
    for ago in days:
        at = noon(days_ago(ago))
        trade = shop.paid(f"A{ago}", at, 100_00)
        shop.paid(f"B{ago}", at, 12_00)
        ledger.refund(trade, f"R{ago}", 5_00, at + timedelta(hours=1))


def pulled(shop: Shop, first: int, last: int, *more: str) -> tuple[int, dict[str, str]]:
    ran = shop.mdash(
        "pull", "alipay", "--from", f"{days_ago(first)}", "--to", f"{days_ago(last)}", *more, "--json"
    )
    return ran.code, {item["day"]: item["status"] for item in ran.json()["days"]}


def covered(shop: Shop, kind: str = "trade_bill") -> set[int]:
    reader = Reader(shop.settings, {})
    try:
        found = covered_days(reader, "alipay", "", kind, days_ago(60), days_ago(0))
    finally:
        reader.close()
    return {(days_ago(0) - day).days for day in found}


def test_pulled_days_agree_with_the_gateways_money_and_are_not_fetched_twice(shop: Shop) -> None:
    busy(shop, 5, 3)
    names = [f"{days_ago(ago)}" for ago in (5, 4, 3)]
    code, found = pulled(shop, 5, 3)
    assert (code, found) == (0, dict(zip(names, ("loaded", "empty", "loaded"), strict=True)))
    assert pulled(shop, 5, 3, "--kind", "account")[0] == 0
    day = ("--from", names[0], "--to", names[2], "--format", "json")
    [row] = shop.mdash("metric", "settlement", *day).json()["rows"]
    ledger = shop.gateway.ledger
    assert (row["gross_fen"], row["refunded_fen"]) == (224_00, 10_00)
    assert row["net_fen"] == ledger.balance_fen - ledger.opening_fen
    assert covered(shop) == covered(shop, "account_bill") == {5, 4, 3}
    before = len(shop.calls())
    assert pulled(shop, 5, 3) == (0, dict.fromkeys(names, "duplicate"))
    assert len(shop.calls()) == before
    assert list((shop.home / "tmp").glob("pull-*")) == []


@pytest.mark.parametrize("answer", ["NO_BILL_DATA", "isp.bill_not_exist"])
def test_a_day_without_a_bill_is_covered_once_that_is_sure(shop: Shop, answer: str) -> None:
    busy(shop, 9)
    shop.gateway.manners.empty_days = answer
    assert pulled(shop, 8, 8) == (0, {f"{days_ago(8)}": "empty"})
    sure = answer == "NO_BILL_DATA"
    assert pulled(shop, 2, 2) == (0 if sure else 3, {f"{days_ago(2)}": "empty" if sure else "missing"})
    assert covered(shop) == ({8, 2} if sure else {8})
    [load] = shop.rows("select rows, kind, account from loads where first_day ="
                       f" '{days_ago(8)}'")
    assert load == {"rows": 0, "kind": "trade_bill", "account": "2088000000000011"}


@pytest.mark.slow
def test_no_bill_of_a_day_on_which_trades_were_paid_is_not_believed(shop: Shop) -> None:
    busy(shop, 8)
    assert pulled(shop, 8, 8)[0] == 0
    shop.gateway.plans.add({"how": "refuse=NO_BILL_DATA", "method": LINK})
    ran = shop.mdash("pull", "alipay", "--from", f"{days_ago(8)}", "--to", f"{days_ago(8)}",
                     "--again", "--json")
    assert (ran.code, ran.json()["days"][0]["status"]) == (3, "missing")
    assert "trades were paid then" in ran.json()["days"][0]["message"]
    assert shop.rows("select count(*) as n from settlement_lines") == [{"n": 3}]


@pytest.mark.slow
def test_a_link_that_lapsed_leaves_nothing_half_done_and_is_resumed(shop: Shop) -> None:
    busy(shop, 6, 5, 4)
    shop.gateway.manners.link_s = -1
    assert pulled(shop, 6, 6) == (3, {f"{days_ago(6)}": "missing"})
    shop.gateway.manners.link_s = 30
    assert covered(shop) == set()
    assert list((shop.home / "tmp").glob("pull-*")) == []
    for how in ("bad_gateway_before", "reset_before", "wrongly_signed"):
        shop.gateway.plans.clear()
        shop.gateway.plans.add({"how": how, "method": LINK, "times": None})
        ran = pull(shop.settings, "alipay", "trade", days_ago(6), days_ago(6))
        assert [bill.status for bill in ran] == ["failed"]
    shop.gateway.plans.clear()
    stops = iter((False, False, True))
    pull(shop.settings, "alipay", "trade", days_ago(6), days_ago(4), is_stopping=lambda: next(stops))
    assert covered(shop) == {6, 5}
    resumed = {6: "duplicate", 5: "duplicate", 4: "loaded"}
    assert pulled(shop, 6, 4) == (0, {f"{days_ago(ago)}": told for ago, told in resumed.items()})


@pytest.mark.slow
def test_a_channel_too_slow_to_answer_is_given_up_and_asked_later(shop: Shop) -> None:
    busy(shop, 6)
    shop.gateway.plans.add({"how": "slow=3", "method": LINK, "times": None})
    assert pulled(shop, 6, 6) == (3, {f"{days_ago(6)}": "missing"})
    shop.gateway.plans.clear()
    assert pulled(shop, 6, 6) == (0, {f"{days_ago(6)}": "loaded"})


def test_whole_months_that_are_over_are_one_bill() -> None:
    days = [date(2026, 8, 30) + timedelta(days=number) for number in range(70)]
    found = [item.name for item in periods(days, date(2026, 11, 30))]
    assert found[:4] == ["2026-08-30", "2026-08-31", "2026-09", "2026-10"]
    assert found[4:] == [f"2026-11-{day:02d}" for day in range(1, 8)]
    days.remove(date(2026, 9, 12))
    assert "2026-09" not in [item.name for item in periods(days, date(2026, 11, 30))]
    assert "2026-10" not in [item.name for item in periods(days, date(2026, 11, 3))]


@pytest.mark.parametrize(("first", "last"), [(1, 0), (3, 4), (3000, 1)])
def test_days_that_have_no_bill_are_refused_with_the_days_that_have(
    shop: Shop, first: int, last: int
) -> None:
    ran = shop.mdash(
        "pull", "alipay", "--from", f"{days_ago(first)}", "--to", f"{days_ago(last)}", "--json"
    )
    assert (ran.code, ran.out) == (2, "")
    assert f"{days_ago(1)}" in ran.err

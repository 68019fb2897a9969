"""Overdue orders are asked about at the stand-in gateway, and the answers correct the trades."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from loaders import remote
from loaders.channels import retry_ladders
from loaders.channels.alipay.signing import notification_string, sign
from loaders.poll import Budget, Polled, paced, poll
from loaders.store.overdue import Overdue, overdue
from loaders.store.reader import Reader
from tests.conftest import Mdash
from tests.jobs.conftest import Shop

pytestmark = pytest.mark.slow

QUERY = "alipay.trade.query"
MINUTES = timedelta(minutes=1)


def asked(shop: Shop) -> list[str]:
    return [call["request"]["out_trade_no"] for call in shop.calls()]


def polled(
    shop: Shop, later: timedelta = timedelta(), *, every: bool = False, **budget: float
) -> Polled:
    def clock() -> datetime:
        return datetime.now(UTC).replace(tzinfo=None) + later

    found = Budget(**{"per_second": 1000.0, "at_once": 1, **budget})  # type: ignore[arg-type]
    return poll(shop.settings, ["alipay"], budget=found, every=every, clock=clock)


def test_a_payment_whose_notification_never_came_is_found(shop: Shop) -> None:
    trade = shop.order("PAID", 10 * MINUTES)
    shop.order("OPEN", 10 * MINUTES)
    shop.load()
    shop.gateway.pay("PAID")
    ran = shop.mdash("poll", "--json")
    assert ran.code == 0, ran.err
    document = ran.json()
    assert (document["asked"], document["paid"], document["unpaid"]) == (2, 1, 1)
    paid, still_open = shop.rows(
        "select order_no, trade_no, paid_by, paid_at, outcome, notified_at, is_received"
        " from trades order by order_no desc"
    )
    assert (paid["paid_by"], paid["outcome"], paid["trade_no"]) == ("query", "paid", trade.trade_no)
    assert paid["notified_at"] is None
    assert paid["paid_at"] == trade.paid_at.isoformat() + "+08:00"  # type: ignore[union-attr]
    assert (still_open["paid_at"], still_open["outcome"]) == (None, "open")
    assert shop.mdash("poll", "--json").json()["asked"] == 0


@pytest.mark.slow
def test_a_notification_found_missing_counts_as_missing(shop: Shop) -> None:
    trade = shop.order("M1", timedelta(hours=30), life_min=60, paid_after=MINUTES)
    heard = shop.order("M2", timedelta(hours=1), paid_after=MINUTES)
    shop.load()
    log = shop.home / "heard.log"
    log.write_text(_notification(shop, heard.order_no), "utf-8")
    assert shop.mdash("load", str(log)).code == 0
    assert shop.mdash("poll", "--json").json()["paid"] == 1
    day = trade.created_at.date().isoformat()
    ran = shop.mdash("metric", "notifications", "--from", day, "--to", day, "--format", "json")
    [row] = ran.json()["rows"]
    missing = 1 if heard.created_at.date() != trade.created_at.date() else 2
    assert (row["expected"], row["received"], row["missing"]) == (missing, missing - 1, 1)


def _notification(shop: Shop, order_no: str) -> str:
    """A genuine notification, as the receiver logs it."""
    trade, keys = shop.gateway.ledger.order(order_no), shop.gateway.keys
    assert trade is not None
    fields = {
        "notify_id": "n1", "notify_type": "trade_status_sync", "app_id": keys.app_id,
        "seller_id": keys.seller_id, "out_trade_no": order_no, "trade_no": trade.trade_no,
        "trade_status": "TRADE_SUCCESS", "total_amount": "88.88", "charset": "utf-8",
        "notify_time": f"{trade.paid_at}", "gmt_create": f"{trade.created_at}",
        "gmt_payment": f"{trade.paid_at}", "version": "1.0", "auth_app_id": keys.app_id,
    }
    content = notification_string(fields).encode()
    made = sign(content, keys.channel_private, "RSA2")
    body = urlencode(fields | {"sign_type": "RSA2", "sign": made})
    at = f"{trade.paid_at.isoformat()}+08:00"  # type: ignore[union-attr]
    return json.dumps({"received_at": at, "channel": "alipay", "headers": {}, "body": body}) + "\n"


def test_a_trade_the_buyer_never_reached_is_not_paid_yet(shop: Shop) -> None:
    shop.order("QR", 5 * MINUTES).is_reached = False
    shop.load()
    ran = shop.mdash("poll", "--json")
    [order] = ran.json()["answers"]
    assert (ran.code, order["outcome"], order["sub_code"]) == (0, "unpaid", "ACQ.TRADE_NOT_EXIST")
    assert shop.rows("select outcome from trades") == [{"outcome": "open"}]


def test_the_most_valuable_are_asked_first_within_the_budget(shop: Shop) -> None:
    for number, amount in enumerate((100, 90_000, 5_000, 70_000)):
        shop.order(f"M{number}", 10 * MINUTES, amount)
    shop.load()
    found = polled(shop, most=2)
    assert asked(shop) == ["M1", "M3"]
    assert (found.left, found.exit_code) == (2, 3)
    found = polled(shop, most=2)
    assert asked(shop) == ["M1", "M3", "M2", "M0"]
    assert (found.left, found.exit_code) == (0, 0)


def test_orders_are_handed_out_at_the_rate_and_until_time_is_up() -> None:
    items = [Overdue("alipay", f"M{number}", 1, datetime(2026, 11, 1), 0) for number in range(20)]
    began = time.monotonic()
    times = [
        time.monotonic() - began
        for _ in paced(items, Budget(per_second=50, longest_s=0.2), lambda: False)
    ]
    assert 2 <= len(times) <= 11
    assert all(at >= number / 50 for number, at in enumerate(times))
    assert list(paced(items, Budget(), lambda: True)) == []


def asked_until(shop: Shop, *minutes: int) -> Callable[[float], int]:
    """An order of 10:00 that ends at 11:00, asked at these minutes: how many are overdue when."""
    at = datetime(2026, 11, 1, 2, 0)
    lines = [
        '{"event":"order","order_no":"M1","at":"2026-11-01T10:00:00+08:00","channel":"alipay",'
        '"amount":"1.00","expires_at":"2026-11-01T11:00:00+08:00"}',
        *(
            f'{{"at":"2026-11-01T10:{minute:02d}:00+08:00","channel":"alipay","method":"{QUERY}",'
            '"request":{"out_trade_no":"M1"},"response":{"code":"10000","trade_status":'
            '"WAIT_BUYER_PAY"},"elapsed_ms":9}'
            for minute in minutes
        ),
    ]
    (shop.home / "checkout.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    shop.load()
    reader = Reader(shop.settings, retry_ladders())
    return lambda minute: overdue(reader, "alipay", at + minute * MINUTES, 10)[1]


def test_an_order_is_overdue_when_its_notification_is_late_and_when_it_has_ended(
    shop: Shop,
) -> None:
    count = asked_until(shop)
    assert [count(minute) for minute in (-1, 1, 2.1, 61, 60 * 24, 60 * 24 * 8)] == [0, 0, 1, 1, 1, 0]


def test_the_wait_between_askings_doubles_but_not_past_the_orders_end(shop: Shop) -> None:
    count = asked_until(shop, 2, 3, 5, 9, 17, 33)
    assert [count(minute) for minute in (34, 54, 55.1, 59.9)] == [0, 0, 1, 1]
    assert [count(minute) for minute in (60.1, 61.1)] == [0, 1]


@pytest.mark.slow
def test_an_order_closed_at_the_channel_is_not_asked_again(shop: Shop) -> None:
    trade = shop.order("M1", timedelta(hours=2))
    shop.gateway.tidy()
    assert trade.status == "TRADE_CLOSED"
    shop.load()
    assert [item.outcome for item in polled(shop).asked] == ["closed"]
    assert [len(polled(shop, days * timedelta(days=1)).asked) for days in (1, 3)] == [0, 0]


@pytest.mark.slow
def test_an_outcome_that_stays_unknown_is_told_by_the_exit_code(shop: Shop) -> None:
    ways = ("unavailable_before", "wrongly_signed", "other_amount", "truncated", "bad_gateway_before")
    for number, how in enumerate(ways):
        shop.order(f"M{number}", 10 * MINUTES)
        shop.gateway.pay(f"M{number}")
        shop.gateway.plans.add({"how": how, "order": f"M{number}", "times": None})
    shop.load()
    ran = shop.mdash("poll", "--json")
    assert (ran.code, ran.json()["unknown"]) == (3, len(ways))
    assert {(item["outcome"], item["verified"] and not item["code"], item["amount_fen"])
            for item in ran.json()["answers"]} == {("unknown", False, 8888)}
    assert shop.rows("select distinct paid_at, outcome from trades") == [
        {"paid_at": None, "outcome": "open"}
    ]
    shop.gateway.plans.clear()
    assert polled(shop, timedelta(hours=1)).counts()["paid"] == len(ways)


@pytest.mark.slow
def test_answers_of_a_run_that_was_killed_are_loaded_by_the_next(shop: Shop) -> None:
    shop.order("M1", 10 * MINUTES)
    shop.load()
    shop.gateway.pay("M1")
    remote.ask(shop.settings, "alipay", "query", order_no="M1")
    assert shop.rows("select paid_by from trades") == [{"paid_by": None}]
    assert polled(shop).asked == []
    assert shop.rows("select paid_by from trades") == [{"paid_by": "query"}]


@pytest.mark.slow
def test_questions_do_not_say_that_the_checkout_log_is_newer(shop: Shop) -> None:
    shop.order("M1", timedelta(hours=5))
    shop.load()
    before = shop.rows("select max(watermark) as mark from loads where kind = 'checkout_log'")
    polled(shop)
    assert shop.rows("select max(watermark) as mark from loads where kind = 'checkout_log'") == before


def test_a_home_that_asks_nobody_is_told_what_to_set(mdash: Mdash) -> None:
    ran = mdash("poll", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "gateway_url" in ran.err


def test_one_trade_is_asked_about_by_any_id(shop: Shop) -> None:
    trade = shop.order("M1", MINUTES)
    shop.load()
    shop.gateway.pay("M1")
    ran = shop.mdash("query", "M1", "--json")
    assert ran.code == 0, ran.err
    found = ran.json()
    assert (found["outcome"], found["amount_fen"], found["trade_no"]) == (
        "paid", 8888, trade.trade_no,
    )
    assert shop.rows("select paid_by from trades") == [{"paid_by": "query"}]
    assert shop.mdash("query", trade.trade_no, "--json").json()["order_no"] == "M1"
    unknown = shop.mdash("query", "NOBODY", "--json")
    assert (unknown.code, unknown.json()["outcome"]) == (0, "unpaid")
    assert "does not know this trade" in unknown.json()["message"]


@pytest.mark.slow
def test_a_trade_the_store_never_heard_of_is_found_by_the_channels_number(shop: Shop) -> None:
    trade = shop.trade("ELSEWHERE", shop.gateway.clock().replace(microsecond=0))
    shop.gateway.pay("ELSEWHERE")
    found = shop.mdash("query", trade.trade_no, "--json").json()
    assert (found["order_no"], found["outcome"]) == ("ELSEWHERE", "paid")
    shop.gateway.plans.add({"how": "unsigned", "method": QUERY, "times": None})
    ran = shop.mdash("query", "ELSEWHERE", "--json")
    assert (ran.code, ran.json()["outcome"]) == (3, "unknown")

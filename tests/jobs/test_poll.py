"""Overdue orders are asked about at the stand-in gateway, and the answers correct the trades."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loaders.poll import Budget, Polled, poll
from tests.jobs.conftest import Shop

QUERY = "alipay.trade.query"
MINUTES = timedelta(minutes=1)


def asked(shop: Shop) -> list[str]:
    return [call["request"]["out_trade_no"] for call in shop.calls()]


def polled(shop: Shop, later: timedelta = timedelta(), **budget: float) -> Polled:
    def clock() -> datetime:
        return datetime.now(UTC).replace(tzinfo=None) + later

    found = Budget(**{"per_second": 1000.0, **budget})  # type: ignore[arg-type]
    return poll(shop.settings, ["alipay"], budget=found, clock=clock)


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
    import json
    from urllib.parse import urlencode

    from loaders.channels.alipay.signing import notification_string, sign

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
    [order] = ran.json()["orders"]
    assert (ran.code, order["outcome"], order["message"]) == (0, "unpaid", None)
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


def test_calls_keep_to_the_rate_and_the_run_to_its_time(shop: Shop) -> None:
    for number in range(6):
        shop.order(f"M{number}", 10 * MINUTES)
    shop.load()
    found = polled(shop, per_second=20.0, longest_s=0.16)
    times = [datetime.fromisoformat(call["at"]) for call in shop.calls()]
    assert 2 <= len(times) <= 4
    assert (times[-1] - times[0]).total_seconds() >= 0.045 * (len(times) - 1)
    assert found.left == 6 - len(times)


def test_the_wait_between_askings_doubles(shop: Shop) -> None:
    shop.order("M1", 10 * MINUTES, life_min=2000)
    shop.load()
    counts = []
    for minutes in (0, 0.5, 1.5, 2.5):
        counts.append(len(polled(shop, minutes * MINUTES).asked))
    assert counts == [1, 0, 1, 1]


def test_an_order_asked_three_times_rests_for_four_minutes(shop: Shop) -> None:
    from loaders.channels import retry_ladders
    from loaders.store.overdue import overdue
    from loaders.store.reader import Reader

    at = datetime(2026, 11, 1, 2, 0)
    lines = [
        '{"event":"order","order_no":"M1","at":"2026-11-01T10:00:00+08:00","channel":"alipay",'
        '"amount":"1.00","expires_at":"2026-11-02T10:00:00+08:00"}',
        *(
            f'{{"at":"2026-11-01T10:{minute:02d}:00+08:00","channel":"alipay","method":"{QUERY}",'
            '"request":{"out_trade_no":"M1"},"response":{"code":"10000","trade_status":'
            '"WAIT_BUYER_PAY"},"elapsed_ms":9}'
            for minute in (2, 3, 5)
        ),
    ]
    path = shop.home / "checkout.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    shop.load()
    reader = Reader(shop.settings, retry_ladders())
    times = (5.5, 8.9, 9.1)
    found = [overdue(reader, "alipay", at + minutes * MINUTES, 10)[1] for minutes in times]
    reader.close()
    assert found == [0, 0, 1]


def test_an_order_is_asked_before_it_ends_and_once_after(shop: Shop) -> None:
    shop.order("M1", 30 * MINUTES, life_min=34)
    shop.load()
    assert [len(polled(shop, n * MINUTES).asked) for n in (-3, 0, 1)] == [1, 1, 0]
    shop.gateway.clock.forward(400)
    assert [item.outcome for item in polled(shop, 7 * MINUTES).asked] == ["closed"]
    assert [len(polled(shop, n * MINUTES).asked) for n in (60, 600, 6000)] == [0, 0, 0]


@pytest.mark.parametrize("how", ["unavailable_before", "wrongly_signed", "other_amount", "truncated"])
def test_an_outcome_that_stays_unknown_is_told_by_the_exit_code(shop: Shop, how: str) -> None:
    shop.order("M1", 10 * MINUTES)
    shop.load()
    shop.gateway.pay("M1")
    shop.gateway.plans.add({"how": how, "method": QUERY, "times": None})
    ran = shop.mdash("poll", "--json")
    assert (ran.code, ran.json()["unknown"]) == (3, 1)
    assert shop.rows("select paid_at, outcome from trades") == [{"paid_at": None, "outcome": "open"}]
    shop.gateway.plans.clear()
    assert polled(shop, timedelta(hours=1)).counts()["paid"] == 1


def test_answers_of_a_run_that_was_killed_are_loaded_by_the_next(shop: Shop) -> None:
    from loaders import remote

    shop.order("M1", 10 * MINUTES)
    shop.load()
    shop.gateway.pay("M1")
    remote.ask(shop.settings, "alipay", "query", order_no="M1")
    assert shop.rows("select paid_by from trades") == [{"paid_by": None}]
    assert polled(shop).asked == []
    assert shop.rows("select paid_by from trades") == [{"paid_by": "query"}]


def test_questions_do_not_say_that_the_checkout_log_is_newer(shop: Shop) -> None:
    shop.order("M1", timedelta(hours=5))
    shop.load()
    before = shop.rows("select max(watermark) as mark from loads where kind = 'checkout_log'")
    polled(shop)
    assert shop.rows("select max(watermark) as mark from loads where kind = 'checkout_log'") == before


def test_a_home_that_asks_nobody_is_told_what_to_set(mdash: object) -> None:
    ran = mdash("poll", "--json")  # type: ignore[operator]
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


def test_a_trade_the_store_never_heard_of_is_found_by_the_channels_number(shop: Shop) -> None:
    trade = shop.trade("ELSEWHERE", shop.gateway.clock().replace(microsecond=0))
    shop.gateway.pay("ELSEWHERE")
    found = shop.mdash("query", trade.trade_no, "--json").json()
    assert (found["order_no"], found["outcome"]) == ("ELSEWHERE", "paid")
    shop.gateway.plans.add({"how": "unsigned", "method": QUERY, "times": None})
    ran = shop.mdash("query", "ELSEWHERE", "--json")
    assert (ran.code, ran.json()["outcome"]) == (3, "unknown")

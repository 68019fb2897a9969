"""What `mdash query` and `mdash poll` print and keep of answers, good ones and all kinds of bad ones."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from dashboard.services import Services
from loaders.errors import Forbidden
from tests.jobs.conftest import Shop

pytestmark = pytest.mark.slow

QUERY = "alipay.trade.query"
HOUR = timedelta(hours=1)
BAD_ANSWERS = (
    "unsigned", "wrongly_signed", "other_amount", "other_order", "duplicate_node", "truncated",
    "cut_off", "reset_before", "reset_after", "unavailable_before", "bad_gateway_before",
    "rate_limit", "unsigned,refuse=ACQ.TRADE_NOT_EXIST",
)
PAYMENT = ("status", "paid_at", "received_fen", "store")


def document(shop: Shop, identifier: str) -> tuple[int, dict[str, object]]:
    ran = shop.mdash("query", identifier, "--json")
    return ran.code, ran.json()


def test_an_answer_that_counts_says_how_the_trade_stands(shop: Shop) -> None:
    trade = shop.order("M1", HOUR / 6)
    shop.load()
    shop.gateway.pay("M1")
    code, found = document(shop, "M1")
    assert code == 0
    assert found["paid_at"] == f"{trade.paid_at.isoformat()}+08:00"  # type: ignore[union-attr]
    named = {"channel": "alipay", "order_no": "M1", "trade_no": trade.trade_no, "amount_fen": 8888,
             "outcome": "paid", "verified": True, "recorded": True}
    assert {name: found[name] for name in named} == named


@pytest.mark.parametrize("how", BAD_ANSWERS)
def test_an_answer_that_does_not_count_is_unknown_and_leaves_nothing(shop: Shop, how: str) -> None:
    shop.order("M1", HOUR / 6)
    shop.load()
    shop.gateway.pay("M1")
    shop.gateway.plans.add({"how": how, "method": QUERY, "times": None})
    code, found = document(shop, "M1")
    assert (code, found["outcome"], found["trade_no"], found["amount_fen"]) == (
        3, "unknown", None, 8888,
    )
    assert [found[name] for name in PAYMENT] == [None] * 4
    assert found["message"]
    is_signed = how in ("unavailable_before", "rate_limit")
    assert (found["verified"], found["code"] is not None) == (is_signed, is_signed)
    for call in shop.calls():
        assert call["outcome"] == "unknown"
        assert set(call["response"]) <= ({"code", "sub_code"} if is_signed else set())
        assert is_signed or call["said"] == {"code": None, "sub_code": None}
    assert shop.rows("select paid_at, trade_no, outcome from trades") == [
        {"paid_at": None, "trade_no": None, "outcome": "open"}
    ]


@pytest.mark.parametrize("how", ["slow=30", "drip=30", "silent_before"])
def test_a_command_about_one_trade_ends_in_time(shop: Shop, how: str) -> None:
    shop.order("M1", HOUR / 6)
    shop.load()
    shop.gateway.plans.add({"how": how, "method": QUERY, "times": None})
    began = time.monotonic()
    code, found = document(shop, "M1")
    assert time.monotonic() - began < 4 * 2 + 15
    assert (code, found["outcome"], found["verified"]) == (3, "unknown", False)


def test_a_store_that_is_busy_does_not_hold_the_answer_back(shop: Shop) -> None:
    shop.order("M1", HOUR / 6)
    shop.load()
    shop.gateway.pay("M1")
    began = time.monotonic()
    with FileLock(Path(shop.home / "store.lock")):
        code, found = document(shop, "M1")
    assert time.monotonic() - began < 4 * 2 + 15
    assert (code, found["outcome"], found["recorded"]) == (0, "paid", False)
    assert document(shop, "M1")[1]["recorded"]
    assert shop.rows("select paid_by from trades") == [{"paid_by": "query"}]


def test_every_ended_order_is_asked_about_whatever_befalls_the_others(shop: Shop) -> None:
    for number in range(24):
        shop.order(f"BAD{number:02d}", 2 * HOUR, 90_000 + number)
        shop.gateway.plans.add({"how": "reset_before", "order": f"BAD{number:02d}", "times": None})
    shop.order("OLD", timedelta(days=30), paid_after=HOUR / 6)
    shop.order("LATE", 3 * HOUR, paid_after=HOUR / 6)
    shop.load()
    ran = shop.mdash("poll", "--json")
    answers = {item["order_no"]: item for item in ran.json()["answers"]}
    assert (ran.code, len(answers)) == (3, 26)
    assert [answers[name]["outcome"] for name in ("OLD", "LATE", "BAD00")] == [
        "paid", "paid", "unknown",
    ]
    shop.gateway.plans.clear()
    again = shop.mdash("poll", "--json").json()
    assert {item["order_no"][:3] for item in again["answers"]} == {"BAD"}


def test_who_has_not_the_right_asks_nobody(shop: Shop) -> None:
    from dashboard.identity.rights import ROLES, Person

    shop.order("M1", HOUR / 6)
    shop.load()
    services = Services(shop.settings, person=Person("ann", ROLES["viewer"]))
    with pytest.raises(Forbidden):
        services.query("M1")
    assert shop.calls() == []
    assert entries(shop) == [("ann", "refused", "alipay/M1")]


def entries(shop: Shop) -> list[tuple[str, str, str]]:
    from dashboard.operations import audit
    from dashboard.operations.ledger import Ledger

    with Ledger(shop.settings).reading() as connection:
        return [(row["actor"], row["action"], row["subject"]) for row in audit.entries(connection)
                if row["action"] != "loaded"]


def test_what_is_a_person_s_is_neither_sent_nor_kept(shop: Shop) -> None:
    persons = ("13812345678", "anna.li@example.com", "2088000000000099", "张三", "4111111111111111")
    for text in persons:
        assert shop.mdash("query", text, "--json").code == 4
    refund = ("--amount", "1", "--reason", "asked", "--as", "nobody")
    assert shop.mdash("refund", persons[0], *refund).code == 4
    assert shop.calls() == []
    kept = entries(shop)
    assert [(actor, action) for actor, action, _ in kept] == [("nobody", "refused")]
    assert not [text for text in persons if text in str(kept)]
    shop.mdash("query", "NEVER-SEEN-1", "--json")
    assert entries(shop)[-1][1] == "trade_queried"
    assert "NEVER-SEEN-1" not in str(entries(shop))


def test_each_order_of_a_poll_is_on_the_trail(shop: Shop) -> None:
    shop.order("OLD", timedelta(days=30), paid_after=HOUR / 6)
    shop.order("LATE", 3 * HOUR, paid_after=HOUR / 6)
    shop.load()
    shop.mdash("poll", "--json")
    assert sorted(entries(shop)) == [
        ("local", "trade_queried", "alipay/LATE"), ("local", "trade_queried", "alipay/OLD"),
    ]

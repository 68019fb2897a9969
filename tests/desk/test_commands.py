"""`mdash refund`, `approve`, `refunds`, `resolve` against the gateway, as the contract says."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Ran
from tests.desk.conftest import paid
from tests.jobs.conftest import Shop

REFUND = "alipay.trade.refund"


def refund(desk: Shop, identifier: str, amount: str, *more: str, by: str = "omar") -> Ran:
    return desk.mdash(
        "refund", identifier, "--amount", amount, "--reason", "broken", "--as", by, "--json", *more
    )


def sent(desk: Shop) -> list[dict[str, Any]]:
    return [call for call in desk.calls() if call["method"] == REFUND]


def test_a_refund_is_done_by_any_id_and_listed(desk: Shop) -> None:
    trade = paid(desk)
    ran = refund(desk, trade.trade_no, "12.34")
    assert ran.code == 0, ran.err
    document = ran.json()
    assert {name: document[name] for name in (
        "channel", "order_no", "amount_fen", "state", "requested_by", "approved_by", "message",
    )} == {
        "channel": "alipay", "order_no": "M1", "amount_fen": 1234, "state": "done",
        "requested_by": "omar", "approved_by": None, "message": None,
    }
    assert trade.refund(document["refund_no"]).amount_fen == 1234  # type: ignore[union-attr]
    listed = desk.mdash("refunds", "--json").json()["refunds"]
    assert [item["refund_no"] for item in listed] == [document["refund_no"]]
    assert listed[0]["requested_at"].endswith("+08:00")
    assert desk.mdash("audit", "verify", "--json").code in (0, 2)


def test_the_same_number_is_the_same_refund(desk: Shop) -> None:
    trade = paid(desk)
    paid(desk, "M2")
    first = refund(desk, "M1", "10.00", "--refund-no", "HZ-01_a")
    again = refund(desk, "M1", "10", "--refund-no", "HZ-01_a", by="olga")
    assert (first.code, again.code) == (0, 0)
    assert again.json()["refund_no"] == "HZ-01_a"
    assert again.json()["requested_by"] == "omar"
    for order, amount in (("M1", "10.01"), ("M2", "10.00")):
        other = refund(desk, order, amount, "--refund-no", "HZ-01_a")
        assert (other.code, other.out) == (4, "")
    assert trade.refunded_fen == 1000
    assert len(sent(desk)) == 1


@pytest.mark.parametrize(
    ("amount", "order_no", "by", "more"),
    [
        ("0", "M1", "omar", ()), ("-1", "M1", "omar", ()), ("1.234", "M1", "omar", ()),
        ("1e2", "M1", "omar", ()), ("NaN", "M1", "omar", ()), ("１", "M1", "omar", ()),
        ("1,000", "M1", "omar", ()), (" 1", "M1", "omar", ()), ("0.00", "M1", "omar", ()),
        ("80.01", "M1", "omar", ()), ("1.00", "nobody", "omar", ()), ("1.00", "unpaid", "omar", ()),
        ("1.00", "M1", "vera", ()), ("1.00", "M1", "stranger", ()),
        ("1.00", "M1", "omar", ("--refund-no", "a b")),
        ("1.00", "M1", "omar", ("--refund-no", "a" * 65)),
        ("1.00", "M1", "omar", ("--refund-no", "")),
    ],
)
def test_what_our_rules_refuse_is_never_sent(
    desk: Shop, amount: str, order_no: str, by: str, more: tuple[str, ...]
) -> None:
    paid(desk)
    desk.order("unpaid", timedelta(minutes=5))
    desk.load()
    ran = refund(desk, order_no, amount, *more, by=by)
    assert (ran.code, ran.out) == (4, ""), ran.err
    assert ran.err
    assert sent(desk) == []


def test_above_the_limit_a_second_person_approves(desk: Shop) -> None:
    trade = paid(desk)
    asked = refund(desk, "M1", "60.00", by="paul")
    assert (asked.code, asked.json()["state"]) == (0, "awaiting_approval")
    number = asked.json()["refund_no"]
    assert refund(desk, "M1", "40.01").code == 4
    assert sent(desk) == []
    for name in ("paul", "omar", "vera", "stranger"):
        assert desk.mdash("approve", number, "--as", name, "--json").code == 4
    assert sent(desk) == []
    approved = desk.mdash("approve", number, "--as", "ann", "--json")
    assert (approved.code, approved.json()["state"]) == (0, "done")
    assert (approved.json()["requested_by"], approved.json()["approved_by"]) == ("paul", "ann")
    assert trade.refunded_fen == 6000
    assert desk.mdash("approve", "R-none", "--as", "ann").code == 4


def test_two_refunds_of_an_order_are_spaced(desk: Shop) -> None:
    trade = paid(desk)
    assert refund(desk, "M1", "1.00").code == 0
    assert refund(desk, "M1", "2.00").code == 0
    first, second = trade.refunds
    assert second.at - first.at >= timedelta(seconds=3)
    assert trade.refunded_fen == 300


@pytest.mark.parametrize("how", ["silent_after", "reset_before", "system_error_after", "unsigned",
                                 "other_order", "other_amount", "unavailable_before", "truncated"])
def test_without_proof_it_is_unknown_until_resolved(desk: Shop, how: str) -> None:
    trade = paid(desk)
    desk.gateway.plans.add({"how": how, "method": REFUND})
    began = time.monotonic()
    ran = refund(desk, "M1", "20.00")
    assert time.monotonic() - began < 4 * 2 + 15
    assert (ran.code, ran.json()["state"]) == (3, "unknown"), ran.err
    assert ran.json()["message"]
    assert refund(desk, "M1", "80.00").code == 4, "the amount stays set aside"
    code = 3
    for _ in range(5):
        run = desk.mdash("resolve", "--json")
        code = run.code
        if code == 0:
            break
        time.sleep(1.5)
    assert code == 0
    assert run.json()["open"] == 0
    assert run.json()["refunds"][0]["state"] == "done"
    assert [item.amount_fen for item in trade.refunds] == [2000]
    assert desk.mdash("resolve", "--json").json() == {"refunds": [], "open": 0}


def test_a_final_answer_refuses_and_frees_the_amount(desk: Shop) -> None:
    trade = paid(desk)
    desk.gateway.plans.add({"how": "refuse=ACQ.SELLER_BALANCE_NOT_ENOUGH", "method": REFUND})
    ran = refund(desk, "M1", "20.00")
    assert (ran.code, ran.json()["state"]) == (4, "refused")
    assert "balance" in ran.json()["message"]
    assert trade.refunds == []


def test_accepted_is_not_done_until_the_refund_query_says_so(desk: Shop) -> None:
    paid(desk)
    desk.gateway.plans.add({"how": "fund_change_n", "method": REFUND})
    ran = refund(desk, "M1", "20.00")
    assert (ran.code, ran.json()["state"]) == (0, "done")
    methods = [call["method"] for call in desk.calls()]
    assert "alipay.trade.fastpay.refund.query" in methods

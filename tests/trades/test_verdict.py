"""The verdict table: what is known of a trade, and the one sentence and next step it gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from dashboard.customer_answers import Expectation, answers
from dashboard.verdict import Facts, OpenRefund, Twin, Way, verdict
from dashboard.wording import speaker
from dashboard.wording.trades import Teller

MINUTES = timedelta(minutes=1)
CREATED = datetime(2026, 5, 3, 4, 0)
PAID = datetime(2026, 5, 3, 4, 3, 11)
ENDS = CREATED + 30 * MINUTES
NOW = datetime(2026, 5, 10, 4, 0)
SOON = CREATED + 10 * MINUTES
DAY = date(2026, 5, 3)
BILLED = {"billed_on": DAY, "billed_fen": 8888, "is_bill_loaded": True}
TOLD: dict[str, Any] = {"paid_at": PAID, "paid_by": "notification", "notified_at": PAID + MINUTES / 20}
ASKED = datetime(2026, 5, 3, 4, 31)


def facts(**changed: Any) -> Facts:
    known: dict[str, Any] = {
        "channel": "alipay", "order_no": "M1", "amount_fen": 8888, "created_at": CREATED, "now": NOW,
        "ends_at": ENDS, "bill_day": DAY,
    }
    return Facts(**known | changed)


def told(found: Facts, language: str = "en") -> str:
    return Teller(speaker(language), language, "Asia/Shanghai").sentence(verdict(found), found)


CASES = [
    ("issue", {"paid_at": PAID, "paid_by": "bill", "found_at": ASKED, **BILLED}, "paid", "nothing",
     "Paid 12:03:11; the bill of 3 May agrees; no notification arrived, found by query 12:31:00."),
    ("paid", {**TOLD, **BILLED}, "paid", "nothing",
     "Paid 12:03:11; the bill of 3 May agrees; notification arrived 12:03:14."),
    ("by bill", {"paid_at": PAID, "paid_by": "bill", **BILLED}, "paid", "nothing",
     "Paid 12:03:11; the bill of 3 May agrees; no notification arrived, found by the bill."),
    ("fresh", {"paid_at": PAID, "paid_by": "query", "found_at": ASKED, "now": ASKED + MINUTES}, "paid",
     "nothing", "Paid 12:03:11; the bill of 3 May is not loaded yet; no notification so far, found by"
     " query 12:31:00."),
    ("bill missing", {**TOLD, "is_bill_loaded": True}, "paid", "reconcile",
     "Paid 12:03:11; the bill of 3 May does not have it; notification arrived 12:03:14."),
    ("bill disagrees", {**TOLD, **BILLED, "billed_fen": 8800}, "mismatch", "reconcile",
     "Paid 12:03:11; the bill of 3 May says ¥88.00 instead of ¥88.88; notification arrived 12:03:14."),
    ("cancelled or not", {**TOLD, **BILLED, "is_cancelling": True}, "unknown", "ask",
     "Paid 12:03:11; the payment was cancelled, and whether that went through is not known; the bill of"
     " 3 May agrees; notification arrived 12:03:14."),
    ("late", {**TOLD, **BILLED, "ends_at": PAID - MINUTES}, "paid_late", "refund",
     "Paid 12:03:11, after the order had ended 12:02:11; the bill of 3 May agrees; notification arrived"
     " 12:03:14."),
    ("double", {**TOLD, **BILLED, "twin": Twin("M2", PAID + MINUTES)}, "paid", "refund",
     "Paid 12:03:11; the bill of 3 May agrees; notification arrived 12:03:14; the same buyer paid the"
     " same amount for M2 12:04:11, perhaps twice by mistake."),
    ("refunded", {**TOLD, **BILLED, "refunded_fen": 8888, "refunded_at": datetime(2026, 5, 4, 4)},
     "refunded", "nothing", "Paid 12:03:11; given back in full 4 May 12:00:00; the bill of 3 May agrees;"
     " notification arrived 3 May 12:03:14."),
    ("partly", {**TOLD, **BILLED, "refunded_fen": 1200}, "partly_refunded", "nothing",
     "Paid 12:03:11; ¥12.00 of ¥88.88 given back; the bill of 3 May agrees; notification arrived"
     " 12:03:14."),
    ("refund unknown", {**TOLD, **BILLED, "open_refunds": (OpenRefund("R1", 1200, True),)}, "paid",
     "ask_refund", "Paid 12:03:11; whether ¥12.00 more were given back is not known; the bill of 3 May"
     " agrees; notification arrived 12:03:14."),
    ("refund asked", {**TOLD, **BILLED, "open_refunds": (OpenRefund("R1", 1200, False),)}, "paid",
     "wait", "Paid 12:03:11; a refund of ¥12.00 is asked for and not sent yet; the bill of 3 May agrees;"
     " notification arrived 12:03:14."),
    ("refund on its way",
     {**TOLD, **BILLED, "open_refunds": (OpenRefund("R1", 1200, False, "accepted"),)}, "paid",
     "wait", "Paid 12:03:11; a refund of ¥12.00 was accepted and is not proven yet; the bill of"
     " 3 May agrees; notification arrived 12:03:14."),
    ("refund stuck",
     {**TOLD, **BILLED, "open_refunds": (OpenRefund("R1", 1200, True, "stuck"),)}, "paid", "handle",
     "Paid 12:03:11; a refund of ¥12.00 could not reach the buyer's account; the bill of 3 May"
     " agrees; notification arrived 12:03:14."),
    ("refund failed", {**TOLD, **BILLED, "failed_fen": 1200}, "paid", "refund",
     "Paid 12:03:11; a refund of ¥12.00 failed, no money went back; the bill of 3 May agrees;"
     " notification arrived 12:03:14."),
    ("failed, then made", {**TOLD, **BILLED, "failed_fen": 1200, "refunded_fen": 1200},
     "partly_refunded", "nothing", "Paid 12:03:11; ¥12.00 of ¥88.88 given back; a refund of ¥12.00"
     " failed, no money went back; the bill of 3 May agrees; notification arrived 12:03:14."),
    ("waiting", {"now": SOON}, "waiting", "wait", "Not paid yet; the order ends 12:30:00."),
    ("waiting, asked", {"now": SOON, "said": "unpaid", "asked_at": SOON}, "waiting", "wait",
     "Not paid yet; the order ends 12:30:00."),
    ("silence", {"now": SOON, "unanswered_at": SOON}, "unknown", "ask",
     "Unknown: the channel gave no valid answer 12:10:00."),
    ("nobody asked", {}, "unknown", "ask",
     "Unknown: no notification came and nobody asked the channel."),
    ("nobody can ask", {"can_ask": False}, "unknown", "load_bill",
     "Unknown: no notification came and nobody asked the channel."),
    ("asked too soon", {"said": "unpaid", "asked_at": SOON}, "unknown", "ask",
     "Unknown: not paid at 12:10:00, and not asked since the order ended."),
    ("answer then silence", {"said": "unpaid", "asked_at": ASKED, "unanswered_at": ASKED + MINUTES},
     "unknown", "ask", "Unknown: the channel gave no valid answer 12:32:00."),
    ("unpaid", {"said": "unpaid", "asked_at": ASKED, "failure": "insufficient_funds"}, "unpaid",
     "nothing", "Not paid, as the channel said 12:31:00; the last attempt failed: insufficient funds."),
    ("off the bill", {"is_off_all_bills": True}, "unpaid", "nothing",
     "Not paid; the bill of 3 May has no payment of it."),
    ("closed", {"closed_at": ENDS}, "closed", "nothing", "Not paid; the channel closed it 12:30:00."),
    ("closed after a payment", {"said": "refunded", "asked_at": ASKED}, "refunded", "nothing",
     "Paid and given back, as the channel said 12:31:00."),
    ("wrong amount", {"mismatched": 2}, "mismatch", "ask",
     "Not known to be paid; 2 notifications named another amount and do not count."),
    ("paid, wrong amount too", {**TOLD, **BILLED, "mismatched": 1}, "paid", "nothing",
     "Paid 12:03:11; the bill of 3 May agrees; notification arrived 12:03:14; a notification named"
     " another amount and does not count."),
]


@pytest.mark.parametrize(("changed", "state", "act", "sentence"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])
def test_the_verdict_says_what_is_known_and_what_to_do(
    changed: dict[str, Any], state: str, act: str, sentence: str
) -> None:
    found = facts(**changed)
    made = verdict(found)
    assert (made.state, made.action.act, told(found)) == (state, act, sentence)


@pytest.mark.parametrize(("way", "is_told"), [("stuck", False), ("accepted", True)])
def test_a_customer_is_not_told_when_what_is_stuck_arrives(way: Way, is_told: bool) -> None:
    found = facts(**TOLD, **BILLED, open_refunds=(OpenRefund("R1", 1200, way == "stuck", way),))
    found = replace(found, channel="wechatpay")
    said = answers(verdict(found), found, lambda: Expectation("wechatpay"), "Asia/Shanghai")
    assert ("1 to 3 working days" in said["en"]) is is_told


def test_the_sentence_is_native_chinese() -> None:
    found = facts(paid_at=PAID, paid_by="bill", found_at=ASKED, **BILLED)
    assert told(found, "zh") == (
        "12:03:11 已支付；与 5 月 3 日的账单一致；未收到异步通知，12:31:00 经查询得知。"
    )
    late = facts(**TOLD, **BILLED, refunded_fen=1200, now=datetime(2027, 1, 1))
    assert told(late, "zh") == (
        "12:03:11 已支付；¥88.88 中已退 ¥12.00；与 2026 年 5 月 3 日的账单一致；12:03:14 收到异步通知。"
    )


def test_nothing_unproven_is_ever_called_paid_or_failed() -> None:
    """Whatever else is known: without proof of a payment, and without the channel's word or a bill
    that has no payment, the state is one of those that say so.
    """
    ways = product(
        (None, "unpaid"), (None, SOON), (0, 1), (None, "risk_rejected"), (SOON, ENDS, NOW),
        ((), (OpenRefund("R1", 1, True),)), (True, False),
    )
    for said, silent, mismatched, failure, now, refunds, can_ask in ways:
        found = facts(
            said=said, asked_at=SOON if said else None, unanswered_at=silent, mismatched=mismatched,
            failure=failure, now=now, open_refunds=refunds, can_ask=can_ask,
        )
        made = verdict(found)
        assert made.state in ("unknown", "waiting", "mismatch")
        assert made.tone in ("open", "bad")
        assert "Paid" not in told(found)
        assert made.action.act != "refund"
        if now > ENDS:
            assert made.action.act in ("ask", "load_bill", "ask_refund")

"""The rules of refunds: limits, approvals, the cancel window, numbers, proof and its absence."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy import update

from dashboard.identity.tables import ACCOUNTS
from dashboard.operations import approving, audit, policy, resolve
from dashboard.operations.ledger import now
from dashboard.operations.refund_records import Refund, digest_of, error_document, error_of
from dashboard.operations.refund_tables import REFUNDS
from dashboard.operations.refunds import proven_refunds
from dashboard.refund_desk import RefundDesk
from loaders.errors import Forbidden, MdashError, NoAnswer, RefusedInput
from tests.desk.conftest import OLGA, OMAR, PAUL, PIA, VERA, Desk, agree, person


def faults(desk: Desk, **by_call: str) -> None:
    """From now on each call of this name goes wrong so; others go well."""
    desk.wire.plan = lambda call: by_call.get(call, "")


@pytest.mark.parametrize("text", ["", "0", "0.00", "-1", "+1", "1.234", "1e2", "NaN", "1,000", " 1",
                                  "１", "1.", ".5", "0x1", "1_0", "999999999999"])
def test_amounts_are_plain_yuan(text: str) -> None:
    with pytest.raises(RefusedInput):
        policy.fen_of_text(text)


@pytest.mark.parametrize(("text", "fen"), [("1", 100), ("0.01", 1), ("12.3", 1230), ("007.10", 710)])
def test_an_amount_is_read_to_the_fen(text: str, fen: int) -> None:
    assert policy.fen_of_text(text) == fen


def test_a_refund_is_written_down_before_it_is_sent_and_every_step_is_in_the_trail(desk: Desk) -> None:
    desk.paid()
    seen: list[tuple[str, int]] = []

    def look(_: str) -> None:
        row = desk.process().refunds()[0]
        seen.append((row.state, row.amount_fen))

    desk.wire.after = look
    refund = desk.ask(1_234, refund_no="R1")
    assert seen == [("submitting", 1_234)]
    assert (refund.state, refund.tries, refund.was_unknown) == ("done", 1, False)
    assert desk.actions("R1") == ["refund_requested", "refund_submitted", "refund_done"]
    assert audit.verify(desk.ledger).ok
    agree(desk, "M1")


def test_what_may_be_refunded_is_said_before(desk: Desk) -> None:
    desk.paid()
    desk.books["M1"] = replace(desk.books["M1"], refunds={"console": 2_000})
    desk.settings.refunds.max_amount = Decimal("50")
    desk.settings.refunds.approval_above = Decimal("20.00")
    desk.ask(500)
    faults(desk, refund="silent_before")
    desk.ask(700)
    found = desk.refunds.standing(person("little", refund_limit_fen=300), "alipay", "M1")
    assert (found.paid_fen, found.refunded_fen, found.set_aside_fen) == (10_000, 2_500, 700)
    assert (found.remaining_fen, found.most_fen, found.approval_above_fen) == (6_800, 5_000, 300)
    assert (found.count, found.count_left, found.why_not) == (3, None, None)
    paid_at = desk.books["M1"].paid_at
    assert paid_at is not None
    assert found.window_ends_at == paid_at + timedelta(days=365)
    assert desk.refunds.proven("alipay", "M1").keys() == {
        "console", desk.refunds.refunds(states=["done"])[0].refund_no
    }


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"paid_at": None}, "not known as paid"),
        ({"paid_at": datetime(2025, 1, 1)}, "is over"),
        ({"refunds": {"console": 10_000}}, "Nothing is left"),
        ({"refunds": {"console": 9_500}}, "Only 5.00 yuan"),
    ],
)
def test_our_rules_refuse_before_anything_is_sent(
    desk: Desk, known: dict[str, object], why: str
) -> None:
    desk.paid()
    desk.books["M1"] = replace(desk.books["M1"], **known)  # type: ignore[arg-type]
    with pytest.raises(RefusedInput, match=why):
        desk.ask(501)
    assert desk.wire.heard == []
    assert desk.refunds.refunds() == []
    assert desk.actions("alipay/M1") == ["refund_refused"]


def test_what_was_refunded_elsewhere_is_counted_once(desk: Desk) -> None:
    """The bill names our own refund and one made in the console; both count, none twice."""
    trade = desk.paid()
    desk.ask(3_000, refund_no="ours")
    desk.wire.gateway.ledger.refund(trade, "console", 2_000, trade.paid_at or trade.created_at)
    desk.books["M1"] = replace(desk.books["M1"], refunds={"ours": 3_000, "console": 2_000})
    with pytest.raises(RefusedInput, match=r"Only 50\.00 yuan"):
        desk.ask(5_001)
    assert desk.ask(5_000).state == "done"
    with pytest.raises(RefusedInput, match="outside of mdash"):
        desk.ask(1, refund_no="console")
    assert trade.refunded_fen == 10_000


@pytest.mark.parametrize("number", ["", "a b", "a" * 65, "号", "a/b", "a\n"])
def test_numbers_are_as_channels_take_them(desk: Desk, number: str) -> None:
    desk.paid()
    with pytest.raises(RefusedInput):
        desk.ask(refund_no=number)


@pytest.mark.parametrize("reason", ["", "  ", "a" * 257, "a\x07b"])
def test_a_reason_is_needed(desk: Desk, reason: str) -> None:
    desk.paid()
    with pytest.raises(RefusedInput):
        desk.refunds.request(OMAR, "alipay", "M1", 1, reason)


def test_a_card_number_in_a_reason_is_masked(desk: Desk) -> None:
    desk.paid()
    made = desk.refunds.request(OMAR, "alipay", "M1", 1, "card 4111111111111111")
    assert made.reason == "card ************1111"


def test_rights_stores_and_limits_are_the_persons_own(desk: Desk) -> None:
    desk.paid(store="S1")
    with pytest.raises(Forbidden):
        desk.ask(by=VERA)
    with pytest.raises(Forbidden):
        desk.ask(by=person("elsewhere", stores=frozenset({"S2"})))
    assert desk.wire.heard == []
    assert desk.actions("alipay/M1") == ["refused", "refused"]
    small = person("small", refund_limit_fen=500, stores=frozenset({"S1"}))
    assert desk.ask(500, small).state == "done"
    assert desk.ask(501, small).state == "awaiting_approval"


def test_only_a_second_person_within_limits_approves(desk: Desk) -> None:
    desk.paid(store="S1")
    desk.settings.refunds.approval_above = Decimal(50)
    asked = desk.ask(6_000, PAUL)
    assert (asked.state, desk.wire.heard) == ("awaiting_approval", [])
    for who in (PAUL, OLGA, VERA, person("low", "approver", approve_limit_fen=5_999),
                person("far", "approver", stores=frozenset({"S2"}))):
        with pytest.raises(Forbidden):
            desk.refunds.approve(who, asked.refund_no)
        with pytest.raises(Forbidden):
            desk.refunds.decline(who, asked.refund_no, "no")
    assert desk.wire.heard == []
    done = desk.refunds.approve(PIA, asked.refund_no, seen=desk.refunds.digest(asked))
    assert (done.state, done.requested_by, done.approved_by) == ("done", "paul", "pia")
    assert desk.refunds.approve(PIA, asked.refund_no) == done, "a double click"
    with pytest.raises(RefusedInput):
        desk.refunds.approve(person("third", "approver"), asked.refund_no)
    assert desk.wire.sent() == 1


def test_an_approval_is_bound_to_the_exact_request(desk: Desk) -> None:
    desk.paid()
    desk.settings.refunds.approval_above = Decimal(50)
    asked = desk.ask(6_000)
    with pytest.raises(RefusedInput):
        desk.refunds.approve(PAUL, asked.refund_no, seen=digest_of(replace(asked, amount_fen=1)))
    with desk.ledger.transaction() as connection:
        connection.execute(update(REFUNDS).values(amount_fen=9_000))
    with pytest.raises(RefusedInput, match="Look again"):
        desk.refunds.approve(PAUL, asked.refund_no)
    assert desk.wire.heard == []


def test_a_refund_split_into_small_ones_waits_for_the_second_person(desk: Desk) -> None:
    trade = desk.paid()
    desk.settings.refunds.approval_above = Decimal(20)
    waits = desk.ask(2_500)
    assert [desk.ask(800).state, desk.ask(800, OLGA).state] == ["done", "done"]
    found = desk.refunds.standing(OMAR, "alipay", "M1")
    assert (found.approval_above_fen, found.unapproved_most_fen) == (2_000, 400)
    third = desk.ask(401)
    assert (waits.state, third.state) == ("awaiting_approval", "awaiting_approval")
    assert desk.ask(400).state == "done"
    assert desk.refunds.approve(PAUL, third.refund_no).state == "done"
    assert desk.ask(1).state == "awaiting_approval"
    little = desk.refunds.standing(person("little", refund_limit_fen=300), "alipay", "M1")
    assert little.unapproved_most_fen == 0
    assert trade.refunded_fen == 2_401
    faults(desk, refund="silent_before")
    desk.paid("M2")
    assert desk.ask(1_500, order_no="M2").state == "unknown"
    assert desk.ask(501, order_no="M2").state == "awaiting_approval"


def waiting_for_approval(desk: Desk) -> Refund:
    desk.paid()
    desk.settings.refunds.approval_above = Decimal(50)
    return desk.ask(6_000)


def test_an_approval_asks_again_whether_it_may_still_be_made(desk: Desk) -> None:
    asked = waiting_for_approval(desk)
    desk.settings.refunds.max_amount = Decimal(59)
    assert "at most 59.00" in str(desk.refunds.why_not_approve(PAUL, asked))
    with pytest.raises(RefusedInput, match=r"at most 59\.00"):
        desk.refunds.approve(PAUL, asked.refund_no)
    desk.settings.refunds.max_amount = None
    for change in ({"is_active": False}, {"is_active": True, "role": "viewer"}):
        with desk.ledger.transaction() as connection:
            connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == "omar").values(change))
        assert "may not ask" in str(desk.refunds.why_not_approve(PAUL, asked))
        with pytest.raises(RefusedInput, match="may not ask"):
            desk.refunds.approve(PAUL, asked.refund_no)
    assert desk.wire.heard == []
    assert desk.refunds.decline(PAUL, asked.refund_no, "omar left").state == "refused"


@pytest.mark.parametrize("how", ["account_added", "account_changed"])
def test_an_account_from_who_asked_is_no_second_person(desk: Desk, how: str) -> None:
    asked = waiting_for_approval(desk)
    audit.record(desk.ledger, "omar", how, "paul")
    assert "Somebody else must approve" in str(desk.refunds.why_not_approve(PAUL, asked))
    with pytest.raises(Forbidden, match="Somebody else must approve"):
        desk.refunds.approve(PAUL, asked.refund_no)
    assert desk.wire.heard == []
    assert desk.refunds.why_not_approve(PIA, asked) is None
    assert desk.refunds.approve(PAUL, asked.refund_no, trusts_login=True).state == "done"
    with desk.ledger.reading() as connection:
        rows = list(audit.entries(connection))
    made = next(row["seq"] for row in rows if row["action"] == how)
    approved = next(row["detail"] for row in rows if row["action"] == "refund_approved")
    assert f'"account_from_requester": {made}' in approved


def test_an_account_made_long_ago_is_a_second_person(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = waiting_for_approval(desk)
    audit.record(desk.ledger, "omar", "account_added", "paul")
    monkeypatch.setattr(approving, "TIED", timedelta(0))
    assert desk.refunds.approve(PAUL, asked.refund_no).state == "done"


@pytest.mark.parametrize("end", ["decline", "withdraw"])
def test_what_is_not_approved_frees_the_amount(desk: Desk, end: str) -> None:
    desk.paid()
    desk.settings.refunds.approval_above = Decimal(50)
    asked = desk.ask(6_000)
    with pytest.raises(RefusedInput):
        desk.ask(4_001)
    if end == "decline":
        ended = desk.refunds.decline(PAUL, asked.refund_no, "ask the buyer first")
    else:
        with pytest.raises(Forbidden):
            desk.refunds.withdraw(OLGA, asked.refund_no)
        ended = desk.refunds.withdraw(OMAR, asked.refund_no)
    assert ended.state == "refused"
    with pytest.raises(RefusedInput):
        desk.refunds.approve(PAUL, asked.refund_no)
    assert desk.ask(4_001).state == "done"
    assert desk.wire.sent() == 1


def test_a_refund_can_be_withdrawn_in_its_cancel_window_only(desk: Desk) -> None:
    desk.paid()
    first = desk.ask(1_000, wait_s=60)
    second = desk.ask(2_000, wait_s=0.005)
    assert (first.state, second.state, desk.wire.heard) == ("reserved", "reserved", [])
    assert desk.refunds.withdraw(OMAR, first.refund_no).state == "refused"
    threading.Event().wait(0.01)
    assert [item.state for item in desk.refunds.send_due()] == ["done"]
    with pytest.raises(RefusedInput, match="too late"):
        desk.refunds.withdraw(OMAR, second.refund_no)
    agree(desk, "M1")


@pytest.mark.parametrize("how", ["silent_after", "silent_before", "unreachable"])
def test_unknown_keeps_the_amount_until_proof(desk: Desk, how: str) -> None:
    desk.paid()
    faults(desk, refund=how, refund_query="silent_before")
    made = desk.ask(6_000)
    assert (made.state, made.was_unknown) == ("unknown", how != "unreachable")
    with pytest.raises(RefusedInput):
        desk.ask(4_001)
    assert [item.state for item in desk.refunds.resolve()] == [], "it is not its time yet"
    assert desk.refunds.resolve(everything=True)[0].state == "unknown"
    assert desk.refunds.ask_again(OLGA, made.refund_no).state == "unknown"
    desk.settle()
    assert desk.refunds.one(made.refund_no).state == "done"
    assert "refund_resolved" in desk.actions(made.refund_no)
    agree(desk, "M1")


def test_a_bill_that_has_the_refund_proves_it_without_a_question(desk: Desk) -> None:
    desk.paid()
    faults(desk, refund="silent_after", refund_query="silent_before")
    made = desk.ask(6_000, refund_no="R1")
    for refunds in ({"other": 6_000}, {"R1": 5_999}):
        desk.books["M1"] = replace(desk.books["M1"], refunds=refunds)
        assert desk.refunds.resolve(everything=True)[0].state == "unknown"
    heard = len(desk.wire.heard)
    desk.books["M1"] = replace(desk.books["M1"], refunds={"R1": 6_000})
    done = desk.refunds.resolve(everything=True)[0]
    assert (done.state, done.why, done.asks) == ("done", None, 3)
    assert len(desk.wire.heard) == heard
    with desk.ledger.reading() as connection:
        rows = [row for row in audit.entries(connection) if row["subject"] == made.refund_no]
    assert rows[-1]["action"] == "refund_resolved"
    assert '"by": "bill"' in rows[-1]["detail"]
    assert desk.refunds.standing(OMAR, "alipay", "M1").remaining_fen == 4_000


def test_a_list_is_filtered_before_it_is_cut(desk: Desk) -> None:
    desk.paid()
    desk.ask(100, OLGA)
    desk.ask(200)
    desk.ask(300)
    listed = RefundDesk(desk.refunds, lambda: OMAR)
    assert [item.amount_fen for item in listed.refunds(person="olga", days=1, limit=1)] == [100]
    assert listed.refunds(person="olga", states=["refused"]) == []
    assert listed.requesters() == ["olga", "omar"]


def test_orders_of_two_channels_with_one_number_get_two_refund_numbers(desk: Desk) -> None:
    listed = RefundDesk(desk.refunds, lambda: OMAR)
    for order_no in ("M1", "M" * 64, "M/1"):
        numbers = {listed.next_number({"channel": channel, "order_no": order_no}, [])
                   for channel in ("alipay", "wechatpay")}
        assert len(numbers) == 2
        assert {policy.checked_number(number) for number in numbers} == numbers


def test_a_final_no_to_a_repeat_proves_nothing_while_the_channel_is_silent(desk: Desk) -> None:
    """The first message closed the trade; that the repeat meets a closed trade is no refusal."""
    desk.paid()
    faults(desk, refund="silent_after")
    made = desk.ask(10_000)
    faults(desk, refund="refuse=ACQ.TRADE_HAS_CLOSE", refund_query="silent_before")
    for _ in range(4):
        threading.Event().wait(0.003)
        assert desk.refunds.resolve(everything=True)[0].state == "unknown"
    desk.settle()
    assert desk.refunds.one(made.refund_no).state == "done"
    agree(desk, "M1")


def test_a_final_no_to_a_repeat_counts_once_the_channel_denies_the_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.paid()
    faults(desk, refund="silent_before")
    made = desk.ask(10_000)
    faults(desk, refund="refuse=ACQ.SELLER_BALANCE_NOT_ENOUGH")
    monkeypatch.setattr(resolve, "QUIET", timedelta(hours=1))
    for _ in range(3):
        threading.Event().wait(0.003)
        assert desk.refunds.resolve(everything=True)[0].state == "unknown", "too soon to deny it"
    monkeypatch.setattr(resolve, "QUIET", timedelta(0))
    assert desk.refunds.resolve(everything=True)[0].state == "refused"
    assert desk.wire.sent(made.refund_no) == 2
    agree(desk, "M1")


def test_a_repeat_is_only_ever_the_same_number_and_amount(desk: Desk) -> None:
    trade = desk.paid()
    faults(desk, refund="silent_after", refund_query="silent_before")
    made = desk.ask(2_500)
    for _ in range(6):
        threading.Event().wait(0.003)
        desk.refunds.resolve(everything=True)
    assert [(item.number, item.amount_fen) for item in trade.refunds] == [(made.refund_no, 2_500)]
    assert desk.wire.sent() > 1


def test_a_number_that_others_used_at_the_channel_is_refused(desk: Desk) -> None:
    trade = desk.paid()
    desk.wire.gateway.ledger.refund(trade, "HZ1", 500, trade.paid_at or trade.created_at)
    assert desk.ask(1_000, refund_no="HZ1").state == "refused"


def test_two_messages_of_an_order_are_spaced(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    trade = desk.paid()
    monkeypatch.setitem(policy.SPACING, "alipay", timedelta(milliseconds=300))
    threads = [threading.Thread(target=desk.ask, args=(1_000 + n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.settle_spaced(0.3)
    at = sorted(item.at for item in trade.refunds)
    assert len(at) == 3
    assert min(b - a for a, b in pairwise(at)) >= timedelta(milliseconds=290)


def test_a_long_spacing_is_refused_rather_than_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.paid()
    monkeypatch.setitem(policy.SPACING, "alipay", timedelta(minutes=1))
    desk.ask(1_000)
    with pytest.raises(RefusedInput, match="a moment ago"):
        desk.ask(1_001)
    assert desk.ask(1_001, wait_s=1).sends_at > now() + timedelta(seconds=50)  # type: ignore[operator]


def test_the_race_of_two_60s_admits_one_and_a_double_click_is_one_refund(desk: Desk) -> None:
    for number in range(4):
        trade = desk.paid(f"X{number}")
        refused: list[MdashError] = []
        start = threading.Barrier(4)

        def click(refund_no: str, order_no: str = trade.order_no, start: threading.Barrier = start,
                  refused: list[MdashError] = refused) -> None:
            start.wait(5)
            try:
                desk.process().request(OMAR, "alipay", order_no, 6_000, "x", refund_no=refund_no)
            except RefusedInput as error:
                refused.append(error)

        names = [f"{number}-{who}" for who in ("a", "a", "b", "b")]
        threads = [threading.Thread(target=click, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 2
        assert trade.refunded_fen == 6_000
        agree(desk, trade.order_no)


def test_a_claim_that_was_lost_sends_nothing(desk: Desk) -> None:
    desk.paid()
    other = "elsewhere|1|1|x"

    def steal(call: str) -> None:
        if call == "refund":
            with desk.ledger.transaction() as connection:
                connection.execute(update(REFUNDS).values(holder=other, lease_until=now()))

    desk.wire.before = steal
    made = desk.ask(1_000)
    assert (made.state, made.holder, made.tries) == ("submitting", other, 0)
    desk.wire.before = lambda _: None
    desk.settle()
    agree(desk, "M1")


def test_an_error_is_kept_as_it_was() -> None:
    kept = error_of(error_document(NoAnswer("{n} s", n=3)))
    assert isinstance(kept, NoAnswer)
    assert str(kept) == "3 s"
    assert error_of(None) is None


def test_proven_refunds_are_those_loaded_and_those_done(desk: Desk) -> None:
    desk.paid()
    done = desk.ask(1_000)
    faults(desk, refund="silent_before")
    desk.ask(2_000)
    assert proven_refunds({"console": 5}, desk.refunds.refunds()) == {
        "console": 5, done.refund_no: 1_000
    }

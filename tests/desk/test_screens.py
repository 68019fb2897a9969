"""Refunds on screen: said before the click, one refund however often it is clicked, a second person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.identity.rights import Person
from dashboard.operations import cancel
from dashboard.services import Services
from loaders.errors import RefusedInput
from tests.desk.conftest import OMAR, PAUL, VERA, Desk

STAGE: dict[str, Callable[[], None]] = {}
"""What the running screen draws."""


class Seat:
    """One tab of one person at a desk."""

    def __init__(self, desk: Desk, person: Person, screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk, self.person, self.name = desk, person, f"{person.name}-{id(self)}"
        monkeypatch.setattr(Services, "trade", lambda _, channel, order_no: self.trade(order_no))
        self.lost: set[str] = set()
        STAGE[self.name] = {
            "trade": self._trade, "approvals": self._approvals, "batch": self._batch,
        }[screen]
        self.test = AppTest.from_string(
            "from tests.desk.test_screens import STAGE\n"
            f"if __name__ == '__main__':\n    STAGE[{self.name!r}]()", default_timeout=30
        ).run()
        assert not self.test.exception

    def _services(self) -> Services:
        services = Services(self.desk.settings, language="en", person=self.person)
        services.__dict__["refunds"] = self.desk.refunds
        return services

    def trade(self, order_no: str = "M1") -> dict[str, Any]:
        if order_no in self.lost:
            raise RefusedInput("There is no trade with this id.")
        order = self.desk.books[order_no]
        return {
            "channel": "alipay", "order_no": order_no, "store": order.store, "refunds": [],
            "amount_fen": order.amount_fen, "paid_at": order.paid_at, "outcome": "paid",
            "refunded_fen": 0, "verdict": "paid" if order.paid_at else "unknown",
        }

    def _trade(self) -> None:
        from dashboard.screens.refund import refund_panel

        refund_panel(self._services(), self.trade())

    def _approvals(self) -> None:
        from dashboard.screens.approvals import approvals

        approvals(self._services(), None)  # type: ignore[arg-type]

    def _batch(self) -> None:
        from dashboard.screens.batch_preview import looked_at

        st.text(looked_at(self._services(), b"id,amount,reason\nM1,10,x\nM1,11,x\n").total_fen)

    def words(self) -> str:
        test = self.test
        kinds = (test.markdown, test.caption, test.info, test.warning, test.success, test.error)
        return "\n".join(str(item.value) for kind in kinds for item in kind).replace("\\", "")

    def buttons(self) -> list[str]:
        return [item.label for item in self.test.button]

    def click(self, label: str) -> None:
        next(item for item in self.test.button if item.label == label).click().run()
        assert not self.test.exception

    def fill(self, amount: str) -> None:
        next(item for item in self.test.text_input if item.label == "Amount (yuan)").input(amount)
        self.click("Check the refund")


@pytest.fixture
def sit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Seat]:
    desk.settings.refunds.cancel_window_s = 0
    desk.settings.shop.language = "en"
    desk.paid("M1", 10_000)

    def sit(person: Person = OMAR, screen: str = "trade") -> Seat:
        return Seat(desk, person, screen, monkeypatch)

    return sit


def test_what_can_be_refunded_is_said_before_the_click(sit: Callable[..., Seat]) -> None:
    seat = sit()
    cards = {card.label: card.value for card in seat.test.metric}
    assert cards == {
        "Paid by the buyer": "¥100.00", "Refunded": "¥0.00", "Set aside": "¥0.00",
        "Can still be refunded": "¥100.00",
    }
    assert seat.test.text_input[0].value == "100.00"
    assert "Possible until" in seat.words()


def test_who_may_not_refund_reads_why_and_sees_no_form(sit: Callable[..., Seat]) -> None:
    seat = sit(VERA)
    assert "vera does not have the right to do this (refund)." in seat.words()
    assert seat.buttons() == []


def test_a_refund_repeats_what_it_does_and_is_made_once(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    seat = sit()
    seat.fill("¥ 12.3")
    assert "**¥12.30** of order **M1** goes back to the buyer; ¥87.70 stay" in seat.words()
    assert "You answer for it as **omar**" in seat.words()
    assert desk.refunds.refunds() == []
    seat.click("Refund ¥12.30")
    assert [(item.amount_fen, item.state) for item in desk.refunds.refunds()] == [(1230, "done")]
    assert "¥12.30 refunded." in seat.words()
    assert seat.test.text_input[0].value == "87.70"


def test_two_tabs_make_one_refund(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    first, second = sit(), sit()
    for seat in (first, second):
        seat.fill("10")
    for seat in (first, second):
        seat.click("Refund ¥10.00")
        assert "¥10.00 refunded." in seat.words()
    assert len(desk.refunds.refunds()) == 1
    assert desk.trade("M1").refunded_fen == 1000
    assert desk.wire.sent() == 1


def test_a_second_tab_with_another_amount_is_refused_and_begins_anew(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    first, second = sit(), sit()
    first.fill("10")
    second.fill("20")
    first.click("Refund ¥10.00")
    second.click("Refund ¥20.00")
    assert "belongs to a refund of another order or amount" in second.words()
    assert desk.trade("M1").refunded_fen == 1000


@pytest.mark.parametrize("amount", ["0", "-5", "1.234", "abc", "100.01", ""])
def test_an_amount_that_cannot_be_is_refused_before_anything_is_asked(
    sit: Callable[..., Seat], desk: Desk, amount: str
) -> None:
    seat = sit()
    seat.fill(amount)
    assert seat.test.error
    assert not [label for label in seat.buttons() if label.startswith("Refund")]
    assert desk.refunds.refunds() == []


def test_above_the_limit_a_second_person_approves_what_was_asked(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    desk.settings.refunds.approval_above = Decimal(50)
    seat = sit()
    seat.fill("60")
    assert "A second person must approve before anything is sent." in seat.words()
    seat.click("Ask for approval of ¥60.00")
    assert "waiting for a second person's approval" in seat.words()
    assert desk.wire.sent() == 0
    own = sit(replace(PAUL, name="omar"), "approvals")
    assert "Who asked for a refund cannot approve it." in own.words()
    assert own.buttons() == []
    other = sit(PAUL, "approvals")
    assert "**¥60.00** of order **M1**" in other.words()
    other.click("Approve ¥60.00")
    refund = desk.refunds.refunds()[0]
    assert (refund.state, refund.approved_by) == ("done", "paul")
    assert "¥60.00 refunded." in other.words()


def test_an_unknown_refund_says_so_and_is_asked_again(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    desk.wire.plan = lambda call: "reset_after"
    seat = sit()
    seat.fill("100")
    seat.click("Refund ¥100.00")
    assert "not known yet whether it was refunded" in seat.words()
    assert "Nothing is left to refund" in seat.words()
    desk.wire.plan = lambda _: ""
    seat.click("Ask again now")
    assert desk.refunds.refunds()[0].state == "done"
    assert desk.trade("M1").refunded_fen == 10_000
    assert "the channel's own answer proves it" in seat.words()


def test_a_request_is_taken_back_before_it_is_sent(sit: Callable[..., Seat], desk: Desk) -> None:
    desk.settings.refunds.cancel_window_s = 60
    seat = sit()
    seat.fill("100")
    seat.click("Refund ¥100.00")
    assert "will be sent in" in seat.words()
    seat.click("Take back")
    assert desk.refunds.refunds()[0].state == "refused"
    assert "omar withdrew it." in seat.words()
    assert desk.wire.sent() == 0


def test_a_payment_known_to_nobody_can_be_cancelled_and_says_what_that_did(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    desk.books["M1"] = replace(desk.books["M1"], paid_at=None)
    seat = sit()
    assert "Cancelling closes the order at the channel" in seat.words()
    assert seat.test.button[0].disabled
    seat.test.checkbox[0].check().run()
    seat.click("Cancel the payment")
    assert "It was not cancelled." in seat.words()
    assert "there is nothing to cancel" in seat.words()
    assert desk.trade("M1").refunded_fen == 0


def test_a_payment_above_the_limit_says_why_it_is_not_cancelled(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    desk.books["M1"] = replace(desk.books["M1"], paid_at=None)
    desk.settings.refunds.approval_above = Decimal(50)
    seat = sit()
    assert "above 50.00 yuan a second person decides" in seat.words()
    assert seat.buttons() == []


def test_a_cancellation_stays_in_sight_when_the_payment_becomes_known(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    paid = desk.books["M1"]
    desk.books["M1"] = replace(paid, paid_at=None)
    desk.wire.plan = lambda call: {"query": "silent_before", "cancel": "silent_before"}.get(call, "")
    assert cancel.cancel(desk.refunds, OMAR, "alipay", "M1").state == "unknown"
    desk.books["M1"] = paid
    seat = sit()
    assert "It is not known yet whether it was cancelled." in seat.words()
    assert {card.label: card.value for card in seat.test.metric}["Set aside"] == "¥100.00"
    desk.wire.plan = lambda _: ""
    seat.click("Ask again now")
    assert cancel.of_order(desk.refunds, "alipay", "M1")[0].tries >= 1


def test_what_may_go_out_without_a_second_person_is_said_before(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    desk.settings.refunds.approval_above = Decimal(50)
    desk.ask(4_000)
    seat = sit()
    assert "above ¥50.00 of one order in all; ¥10.00 of it are left" in seat.words()
    seat.fill("10.01")
    assert "A second person must approve before anything is sent." in seat.words()


def test_a_request_whose_trade_cannot_be_read_hides_no_other(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    desk.settings.refunds.approval_above = Decimal(1)
    desk.paid("M2")
    desk.ask(200, order_no="M2")
    desk.ask(300)
    seat = sit(PAUL, "approvals")
    seat.lost.add("M2")
    seat.test.run()
    assert not seat.test.exception
    assert "There is no trade with this id." in seat.words()
    assert "Approve ¥3.00" in seat.buttons()
    assert "Decline ¥2.00" in seat.buttons()


def test_lines_that_look_like_repeats_wait_for_a_tick(
    sit: Callable[..., Seat], desk: Desk
) -> None:
    desk.ask(1_000)
    seat = sit(OMAR, "batch")
    assert "1 lines ask for an amount that was refunded" in seat.words()
    assert seat.test.text[0].value == "1100"
    seat.test.checkbox[0].check().run()
    assert seat.test.text[0].value == "2100"

"""Asking for a refund: amount and reason, then what is about to be done, then the one button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.operations.refunds import Refund, Standing
from dashboard.refund_desk import fen_of_typed, typed
from dashboard.screens.acting import act, said
from dashboard.services import Services
from dashboard.wording.formats import money, plain
from loaders.errors import RefusedInput

REASONS = (
    "The buyer changed their mind", "Out of stock", "Paid twice", "Wrong amount",
    "Goods or service not as described", "Not delivered", "Agreed with the buyer",
)
_Form = dict[str, Any]


def refund_form(
    services: Services, trade: dict[str, Any], standing: Standing, made: Sequence[Refund]
) -> None:
    """The form of this trade in this tab."""
    say, form = services.say, _form_of(services, trade, made)
    key = form["number"]
    with st.form(f"form-{key}"):
        left, right = st.columns([1, 2])
        amount = left.text_input(
            say("Amount (yuan)"), value=typed(standing.most_fen), key=f"amount-{key}", max_chars=16
        )
        reason = right.selectbox(say("Reason"), REASONS, key=f"reason-{key}", format_func=say)
        words = st.text_input(
            say("In your own words (optional)"), key=f"words-{key}", max_chars=120,
            help=say("The channel may show the reason to the buyer. Write no personal data."),
        )
        if st.form_submit_button(say("Check the refund"), icon=":material/fact_check:"):
            told = services.refund_desk.reason(reason, words)
            act(_place(trade), lambda: _check(services, standing, form, amount, told))
    said(services, _place(trade))
    if "amount_fen" in form:
        _confirm(services, trade, standing, form)


def _form_of(services: Services, trade: dict[str, Any], made: Sequence[Refund]) -> _Form:
    """What this tab keeps of the form; the refund's number is made once and stays until it is used."""
    place = _place(trade)
    if place not in st.session_state:
        st.session_state[place] = {"number": services.refund_desk.next_number(trade, made)}
    form: _Form = st.session_state[place]
    return form


def _place(trade: dict[str, Any]) -> str:
    return f"refund-{trade['channel']}-{trade['order_no']}"


def _check(services: Services, standing: Standing, form: _Form, amount: str, reason: str) -> None:
    """Raises RefusedInput for what cannot be asked; otherwise it waits for its confirmation."""
    form.pop("amount_fen", None)
    fen = fen_of_typed(amount)
    if fen > standing.most_fen:
        most = money(standing.most_fen, services.language)
        raise RefusedInput("At most {amount} can be refunded.", amount=most)
    form.update(amount_fen=fen, reason=reason)


def _confirm(services: Services, trade: dict[str, Any], standing: Standing, form: _Form) -> None:
    """Repeats what is about to be done; only its button asks for the refund."""
    say, above = services.say, standing.unapproved_most_fen
    fen, needs_second = form["amount_fen"], above is not None and form["amount_fen"] > above
    amount = money(fen, services.language)
    with st.container(border=True, key="confirm-refund"):
        st.markdown(say(
            "**{amount}** of order **{order}** goes back to the buyer; {left} stay refundable."
            " Reason: {reason}. You answer for it as **{name}**.",
            amount=plain(amount), order=plain(trade["order_no"]), reason=plain(form["reason"]),
            left=plain(money(standing.remaining_fen - fen, services.language)),
            name=plain(services.person.name),
        ))
        if needs_second:
            st.warning(say("A second person must approve before anything is sent."),
                       icon=":material/group:")
        label = (
            say("Ask for approval of {amount}", amount=amount) if needs_second
            else say("Refund {amount}", amount=amount)
        )
        with st.container(horizontal=True):
            st.button(
                label, type="primary", key="make-refund", on_click=_ask,
                args=(services, trade, dict(form)),
            )
            st.button(say("Back"), key="leave-refund", on_click=form.pop, args=("amount_fen", None))


def _ask(services: Services, trade: dict[str, Any], form: _Form) -> None:
    """Ask exactly for what was shown. A second click sends the same number: the same refund."""
    place, number = _place(trade), form["number"]
    act(place, lambda: services.refund_desk.request(
        trade["channel"], trade["order_no"], form["amount_fen"], form["reason"], number,
    ))
    if st.session_state.get(place, {}).get("number") == number:
        del st.session_state[place]

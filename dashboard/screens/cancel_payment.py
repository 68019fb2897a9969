"""Cancelling a payment of which nobody knows whether it was made; it may give money back."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.operations.cancel import Cancellation
from dashboard.refund_desk import why
from dashboard.screens.acting import act, said
from dashboard.services import Services
from dashboard.wording.formats import instant, money, plain

_OPEN_VERDICTS = ("unknown", "waiting")


def cancel_panel(services: Services, trade: dict[str, Any]) -> None:
    """What was tried before, and the way to cancel where it applies."""
    desk, key = services.refund_desk, (trade["channel"], trade["order_no"])
    before = desk.cancellations(*key)
    for item in before[:1]:
        _told(services, item)
    is_open = bool(before) and before[0].state in ("submitting", "unknown")
    is_done = bool(before) and before[0].state == "done"
    if is_done or (trade["verdict"] not in _OPEN_VERDICTS and not is_open):
        return
    why_not = None if is_open else desk.why_not_cancel(*key)
    with st.expander(services.say("Cancel this payment"), icon=":material/cancel:"):
        if why_not is not None:
            st.info(why(why_not, services.say), icon=":material/block:")
        else:
            _ask(services, trade, is_again=is_open)
    said(services, f"cancel-{key}")


def _ask(services: Services, trade: dict[str, Any], *, is_again: bool) -> None:
    say, key = services.say, (trade["channel"], trade["order_no"])
    st.markdown(say(
        "Nobody knows whether this payment was made. Cancelling closes the order at the channel; if"
        " the buyer has paid, the money goes back."
    ))
    amount = plain(money(trade["amount_fen"], services.language))
    sure = is_again or st.checkbox(say(
        "I want to cancel the payment of order {order} over {amount}.",
        order=plain(trade["order_no"]), amount=amount,
    ), key=f"sure-cancel-{trade['order_no']}")
    st.button(
        say("Ask again now") if is_again else say("Cancel the payment"), disabled=not sure,
        key="cancel-payment", on_click=act,
        args=(f"cancel-{key}", lambda: services.refund_desk.cancel(*key)),
    )


def _told(services: Services, item: Cancellation) -> None:
    """How the cancellation stands, with who asked for it."""
    say = services.say
    sentence = say(DONE[item.action or "nothing"] if item.state == "done" else STANDS[item.state])
    show = {"done": st.success, "refused": st.error, "unknown": st.warning}.get(item.state, st.info)
    show(" ".join(filter(None, (f"**{sentence}**", why(item.why, say)))))
    at = instant(item.requested_at, services.timezone)
    st.caption(say("Asked for by {name} at {at}.", name=plain(item.requested_by), at=at))


DONE = {
    "closed": "Cancelled: the order was closed unpaid.",
    "refunded": "Cancelled: the buyer had paid, and the money goes back.",
    "nothing": "Cancelled: there was nothing to cancel.",
}
STANDS = {
    "submitting": "The payment is being cancelled.",
    "refused": "It was not cancelled.",
    "unknown": "It is not known yet whether it was cancelled. The channel is asked again by itself.",
}

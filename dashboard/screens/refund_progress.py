"""What became of a trade's refunds, live: taking back, asking again, and what happens next."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.operations.refunds import Refund
from dashboard.refund_desk import MOVING, left_s, why
from dashboard.screens.acting import act, said
from dashboard.services import Services
from dashboard.wording.formats import instant, money, number, plain

_SHOW = {"done": st.success, "refused": st.error, "unknown": st.warning}
_ICONS = {
    "awaiting_approval": ":material/group:", "reserved": ":material/hourglass_top:",
    "submitting": ":material/sync:", "done": ":material/check_circle:",
    "refused": ":material/block:", "unknown": ":material/help:",
}


def progress(services: Services, made: Sequence[Refund]) -> None:
    """Refunds as they stand; what moves is looked at again by itself."""
    if not made:
        return
    states = {refund.state for refund in made}
    every = "1s" if states & MOVING else "5s" if states & {"unknown", "awaiting_approval"} else None
    seen = [(refund.refund_no, refund.state) for refund in made]

    def live() -> None:
        found = services.refund_desk.again(made)
        if [(refund.refund_no, refund.state) for refund in found] != seen:
            st.rerun()
        for refund in found:
            _one(services, refund)

    st.fragment(live, run_every=every)()


def _one(services: Services, refund: Refund) -> None:
    say = services.say
    told = say(
        TOLD[refund.state], amount=plain(money(refund.amount_fen, services.language)),
        seconds=left_s(refund.sends_at),
    )
    show = _SHOW.get(refund.state, st.info)
    with st.container(key=f"refund-{refund.refund_no}"):
        show(f"**{told}** {_next(services, refund)}", icon=_ICONS[refund.state])
        _who(services, refund)
        _buttons(services, refund)
        said(services, refund.refund_no)


def _who(services: Services, refund: Refund) -> None:
    say = services.say
    at = instant(refund.requested_at, services.timezone)
    told = [say("Asked for by {name} at {at}.", name=plain(refund.requested_by), at=at)]
    if refund.approved_by:
        told.append(say("Approved by {name}.", name=plain(refund.approved_by)))
    told.append(say("Number {number}.", number=f"`{refund.refund_no}`"))
    st.caption(" ".join(told))


def _next(services: Services, refund: Refund) -> str:
    """What happens next, or what to do."""
    say = services.say
    if refund.state == "refused":
        return why(refund.why, say) or ""
    if refund.state == "done" and refund.was_unknown:
        return say("It was unknown for a while; the channel's own answer proves it.")
    if refund.state != "unknown":
        return say(NEXT[refund.state])
    asked = instant(refund.asked_at, services.timezone)
    told = say(
        "Asked {count} times, last at {at}.", count=number(refund.asks, services.language), at=asked
    )
    return " ".join(filter(None, (why(refund.why, say), say(NEXT["unknown"]), told)))


def _buttons(services: Services, refund: Refund) -> None:
    say, no, desk = services.say, refund.refund_no, services.refund_desk
    if refund.state == "awaiting_approval" or (refund.state == "reserved" and left_s(refund.sends_at)):
        st.button(
            say("Take back"), key=f"back-{no}", icon=":material/undo:", on_click=act,
            args=(no, lambda: desk.take_back(no)),
        )
    if refund.state == "unknown":
        st.button(
            say("Ask again now"), key=f"again-{no}", icon=":material/refresh:", on_click=act,
            args=(no, lambda: desk.ask_again(no)),
        )


TOLD = {
    "awaiting_approval": "{amount}: waiting for a second person's approval.",
    "reserved": "{amount}: will be sent in {seconds} s.",
    "submitting": "{amount}: being sent to the channel.",
    "done": "{amount} refunded.",
    "refused": "{amount}: not refunded.",
    "unknown": "{amount}: not known yet whether it was refunded.",
}
NEXT = {
    "awaiting_approval": "Nothing has been sent. It can still be taken back.",
    "reserved": "It can still be taken back.",
    "submitting": "It can no longer be taken back.",
    "done": "The money is on its way to the buyer.",
    "unknown": (
        "The amount stays set aside. The channel is asked again by itself; do not refund it in any"
        " other way meanwhile."
    ),
}

"""Refunds: all of them with age and state, those to approve, unknown ones, files, and paid twice."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.operations.refunds import Refund, State
from dashboard.refund_desk import rows_of
from dashboard.screens import parts
from dashboard.screens.approvals import approvals
from dashboard.screens.bar import View
from dashboard.screens.batch import batch
from dashboard.screens.files import table_menu
from dashboard.screens.paid_twice import paid_twice
from dashboard.services import Services
from dashboard.wording.tables import word

STATES: tuple[State, ...] = ("awaiting_approval", "reserved", "submitting", "unknown", "done", "refused")
DAYS = {"1": "1 day", "7": "7 days", "30": "30 days", "365": "365 days", "all": "all"}
_LISTED = (
    "order_no", "amount_fen", "refund_state", "age_s", "requested_by", "approved_by",
    "reason_given", "requested_at", "updated_at", "refund_no", "store", "batch", "why",
)
_UNKNOWN = (
    "order_no", "amount_fen", "age_s", "asks", "asked_at", "next_at", "requested_by", "refund_no",
    "why",
)


def render(services: Services, view: View) -> None:
    """Draw the page."""
    counts = {
        "approve": len(services.refund_desk.waiting()), "unknown": len(services.refund_desk.unknown())
    }
    chosen = _part(services, counts)
    {"all": _all, "approve": approvals, "unknown": _unknown, "file": batch, "twice": paid_twice}[
        chosen
    ](services, view)


def _part(services: Services, counts: dict[str, int]) -> str:
    """Which part of the page; it stands in the address."""
    say = services.say
    asked = st.query_params.get("part", "all")

    def label(name: str) -> str:
        count = counts.get(name)
        return f"{say(TITLES[name])} ({count})" if count else say(TITLES[name])

    chosen = st.segmented_control(
        say("Part"), list(TITLES), key="refunds-part", format_func=label, required=True,
        default=asked if asked in TITLES else "all", label_visibility="collapsed",
    )
    if chosen != "all" or "part" in st.query_params:
        st.query_params["part"] = chosen
    return chosen


TITLES = {
    "all": "All refunds", "approve": "To approve", "unknown": "Unknown", "file": "From a file",
    "twice": "Paid twice",
}


def _all(services: Services, view: View) -> None:
    say = services.say
    states, person, days = _filters(services)
    found = services.refund_desk.refunds(states=states or None, person=person, days=days)
    if not found:
        st.info(say("There are no such refunds."), icon=":material/inbox:")
        return
    _table(services, view, found, _LISTED, "refunds", "Refunds")


def _filters(services: Services) -> tuple[list[State], str | None, int | None]:
    say = services.say
    people = services.refund_desk.requesters()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        states = st.multiselect(
            say("Refund state"), STATES, key="refund-states", placeholder=say("all"), width=320,
            format_func=lambda name: word(f"refund_{name}", say),
        )
        person = st.selectbox(
            say("Asked for by"), people, index=None, key="refund-person", placeholder=say("all"),
            width=200,
        )
        days = st.selectbox(
            say("Last days"), list(DAYS), key="refund-days", index=2, width=140,
            format_func=lambda name: say(DAYS[name]),
        )
    return states, person, None if days == "all" else int(days)


def _unknown(services: Services, view: View) -> None:
    say = services.say
    found = services.refund_desk.unknown()
    st.caption(say(
        "The channel has not proven yet what became of these. Their amounts stay set aside; they are"
        " asked about by themselves until it is known."
    ))
    if not found:
        st.success(say("Nothing is unknown."), icon=":material/check_circle:")
        return
    _table(services, view, found, _UNKNOWN, "unknown-refunds", "Unknown refunds")


def _table(
    services: Services, view: View, found: Sequence[Refund], names: Sequence[str], key: str,
    title: str,
) -> None:
    """Refunds to choose from; the chosen one leads to its trade."""
    rows = rows_of(found, services.say)
    picked = parts.rows_table(services, rows, names, key, selectable=True)
    table_menu(services, rows, names, key, title, view.question)
    if picked is None:
        st.caption(services.say("Select a row to go to the trade."))
    else:
        parts.trade_link(services, found[picked].order_no)

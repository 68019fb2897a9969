"""Finding a trade: the field that is ready to be typed into, and the way to look up many."""

from __future__ import annotations

import streamlit as st

from dashboard.screens.focus import SCRIPT
from dashboard.screens.trade_list import list_field
from dashboard.services import Services
from dashboard.trade_desk import is_list


def search_field(services: Services) -> str:
    """The field that is ready to be typed into, and the way to look up many."""
    say = services.say
    if "pending_id" in st.session_state:
        st.session_state["id"] = st.session_state.pop("pending_id")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input(
            say("Find a trade"), key="id", bind="query-params", type="search",
            icon=":material/search:", placeholder=say("order, trade, refund, notification or buyer id"),
        ) or ""
        list_field(services)
        if wanted.strip() or st.session_state.get("asked_ids"):
            st.button(say("All trades"), icon=":material/arrow_back:", on_click=_leave, shortcut="Alt+B")
    st.html(f"<script>{SCRIPT}</script>", unsafe_allow_javascript=True)
    return wanted.strip()


def _leave() -> None:
    for name in ("asked_ids", "chosen_trade", "channel_answer"):
        st.session_state.pop(name, None)
    st.session_state["pending_id"] = ""


def asked_list(wanted: str) -> str:
    """The list of ids that is looked up: one pasted into the search field, or the one before."""
    if is_list(wanted):
        return wanted
    return "" if wanted else str(st.session_state.get("asked_ids", ""))


def open_trade(key: tuple[str, str] | None) -> None:
    """Open a trade that was picked from a list."""
    if key is not None:
        st.session_state["pending_id"], st.session_state["chosen_trade"] = key[1], key
        st.rerun()

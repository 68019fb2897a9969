"""Finding a trade: the field that is ready to be typed into, and the way to look up many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.screens.focus import SCRIPT
from dashboard.screens.trade_list import list_field
from dashboard.services import Services
from dashboard.trade_desk import is_list
from loaders.privacy import can_be_an_order, is_pseudonym


def search_field(services: Services) -> str:
    """The field that is ready to be typed into, and the way to look up many."""
    say = services.say
    if "pending_id" in st.session_state:
        st.session_state["id"] = st.session_state.pop("pending_id")
    _clean_address(services)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input(
            say("Find a trade"), key="id", bind="query-params", type="search",
            icon=":material/search:", placeholder=say("order, trade, refund, notification or buyer id"),
        ) or ""
        list_field(services)
        if wanted.strip() or st.session_state.get("asked_ids"):
            st.button(say("All trades"), icon=":material/arrow_back:", on_click=_leave, shortcut="Alt+B")
    if is_list(wanted):
        st.session_state["asked_ids"] = wanted
        replace_id("")
    st.html(f"<script>{SCRIPT}</script>", unsafe_allow_javascript=True)
    return wanted.strip()


def replace_id(text: str) -> None:
    """Put another id into the field, and so into the address, and draw the page anew."""
    st.session_state["pending_id"] = text
    st.rerun()


def keep_private(services: Services, wanted: str, found: Sequence[Mapping[str, Any]]) -> None:
    """Where a buyer's own id was typed, its pseudonym stands in its place at once; what is a person's
    and finds nothing goes. Neither stays in the address."""
    other = _instead(services, wanted, found)
    if other is not None:
        replace_id(other)


def _instead(services: Services, wanted: str, found: Sequence[Mapping[str, Any]]) -> str | None:
    """What is to stand in the place of what was typed, if anything is."""
    if any(wanted in (row["order_no"], row["trade_no"]) for row in found):
        return None
    named = set(services.spellings(wanted)) - {wanted}
    buyer = next((row["buyer"] for row in found if row["buyer"] in named), None)
    if buyer is not None:
        return str(buyer)
    if found or is_pseudonym(wanted) or can_be_an_order(wanted):
        return None
    st.session_state["found_none"] = True
    return ""


def _clean_address(services: Services) -> None:
    """The same for an address that was opened: the field is not there yet that would clean it."""
    typed = st.query_params.get("id", "").strip()
    if not typed or "id" in st.session_state:
        return
    if is_list(typed):
        st.session_state["asked_ids"] = typed
    other = "" if is_list(typed) else _instead(services, typed, services.find_trades(typed))
    if other is None:
        return
    if other:
        st.query_params["id"] = other
    else:
        del st.query_params["id"]
    st.rerun()


def _leave() -> None:
    for name in ("asked_ids", "chosen_trade", "channel_answer"):
        st.session_state.pop(name, None)
    st.session_state["pending_id"] = ""


def asked_list(wanted: str) -> str:
    """The list of ids that is looked up, if any; it never stands in the address."""
    return "" if wanted else str(st.session_state.get("asked_ids", ""))


def open_trade(key: tuple[str, str] | None) -> None:
    """Open a trade that was picked from a list."""
    if key is not None:
        st.session_state["pending_id"], st.session_state["chosen_trade"] = key[1], key
        st.rerun()

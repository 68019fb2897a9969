"""Trades: find one by any id, or many at once, and open it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.listings import PICKS
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.every_trade import every_trade_menu
from dashboard.screens.files import table_menu
from dashboard.screens.trade import trade_page
from dashboard.screens.trade_list import verdict_table
from dashboard.screens.trade_search import asked_list, keep_private, open_trade, search_field
from dashboard.services import Services
from dashboard.wording.formats import plain
from dashboard.wording.labels import FIELDS
from dashboard.wording.tables import word

_LISTED = (
    "order_no", "trade_no", "created_at", "amount_fen", "outcome", "paid_at", "refunded_fen",
    "channel", "product", "client", "store", "campaign", "failure_code", "billed_on",
)



def render(services: Services, view: View) -> None:
    """Draw the page."""
    wanted = search_field(services)
    if asked := asked_list(wanted):
        open_trade(verdict_table(services, asked, view.question))
        return
    found = _found(services, view, wanted)
    chosen = st.session_state.get("chosen_trade")
    one = found[0] if len(found) == 1 and wanted else next(
        (row for row in found if wanted and _key(row) == chosen), None
    )
    if one is not None:
        trade_page(services, *_key(one))
        return
    st.session_state.pop("trade_read", None)
    if not found:
        return
    picked = parts.rows_table(services, found, _LISTED, "trades", selectable=True)
    table_menu(services, found, _LISTED, "trades", "Trades", view.question)
    if not wanted:
        every_trade_menu(services, view.question)
    st.caption(services.say("Select a row to see the trade."))
    open_trade(_key(found[picked]) if picked is not None else None)


def _found(services: Services, view: View, wanted: str) -> list[dict[str, Any]]:
    say = services.say
    if wanted:
        found = services.find_trades(wanted)
        keep_private(services, wanted, found)
        if not found:
            _no_trade(services)
        return found
    if st.session_state.pop("found_none", False):
        _no_trade(services)
    found = services.recent_trades(view.question, _picks(services))
    st.caption(say("The latest {count} trades of the period.", count=len(found)))
    if not found:
        st.info(say("Nothing in this period."), icon=":material/inbox:")
    return found


def _no_trade(services: Services) -> None:
    st.warning(services.say("There is no trade with this id."), icon=":material/search_off:")


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["channel"], row["order_no"]


def _picks(services: Services) -> dict[str, str]:
    """What the link that led here narrows the list by; each can be taken off."""
    say = services.say
    picks = {name: st.query_params[name] for name in PICKS if st.query_params.get(name)}
    if not picks:
        return {}

    def forget() -> None:
        for name in PICKS:
            st.query_params.pop(name, None)

    with st.container(horizontal=True, vertical_alignment="center"):
        listed = " · ".join(
            f"{say(FIELDS[name])}: {plain(word(value, say))}" for name, value in picks.items()
        )
        st.markdown(say("Only {filters}", filters=listed), width="content")
        st.button(say("Show all"), on_click=forget, icon=":material/close:", type="tertiary")
    return picks

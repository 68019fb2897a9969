"""Trades: find one by any id, and see what happened to it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.listings import PICKS
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.every_trade import every_trade_menu
from dashboard.screens.files import table_menu
from dashboard.screens.refund import refund_panel
from dashboard.services import Services
from dashboard.wording.formats import day, instant, money, plain
from dashboard.wording.labels import FIELDS
from dashboard.wording.tables import word

_LISTED = (
    "order_no", "trade_no", "created_at", "amount_fen", "outcome", "paid_at", "refunded_fen",
    "product", "client", "store", "campaign", "failure_code", "billed_on",
)


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say = services.say
    wanted = st.text_input(
        say("Find a trade"), key="id", bind="query-params",
        placeholder=say("order, trade, refund, notification or buyer id"),
    )
    if wanted.strip():
        found = services.find_trades(wanted)
        if not found:
            st.warning(say("There is no trade with this id."), icon=":material/search_off:")
            return
    else:
        picks = _picks(services)
        found = services.recent_trades(view.question, picks)
        st.caption(say("The latest {count} trades of the period.", count=len(found)))
    if not found:
        st.info(say("Nothing in this period."), icon=":material/inbox:")
        return
    if len(found) == 1:
        _one(services, found[0])
        return
    picked = parts.rows_table(services, found, _LISTED, "trades", selectable=True)
    table_menu(services, found, _LISTED, "trades", "Trades", view.question)
    if not wanted.strip():
        every_trade_menu(services, view.question)
    if picked is None:
        st.caption(say("Select a row to see the trade."))
    else:
        _one(services, found[picked])


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


def _one(services: Services, row: dict[str, Any]) -> None:
    say, language = services.say, services.language
    trade = services.trade(row["channel"], row["order_no"])
    st.subheader(say("Order {number}", number=trade["order_no"]), anchor=False)
    with st.container(horizontal=True):
        st.metric(say("Amount"), money(trade["amount_fen"], language), border=True)
        st.metric(say("Outcome"), word(trade["outcome"], say), border=True)
        st.metric(say("Refunded"), money(trade["refunded_fen"], language), border=True)
    facts = {
        "Trade": trade["trade_no"] or "—",
        "Created": instant(trade["created_at"], services.timezone),
        "Paid at": instant(trade["paid_at"], services.timezone),
        "Notified": instant(trade["notified_at"], services.timezone),
        "Bill day": day(trade["billed_on"]),
        "Failure code": trade["failure_code"] or "—",
    }
    st.markdown("\n".join(f"- {say(name)}: `{value}`" for name, value in facts.items()))
    refund_panel(services, trade)
    st.subheader(say("What happened"), anchor=False)
    events = ("at", "what", "detail", "amount_fen", "source")
    parts.rows_table(services, trade["events"], events, "events")
    if trade["refunds"]:
        st.subheader(say("Refunds"), anchor=False)
        refunds = ("refund_no", "amount_fen", "requested_at", "refunded_at", "billed_on")
        parts.rows_table(services, trade["refunds"], refunds, "refunds")

"""A buyer's page: purchases, segments they went through, net spend, and what to offer next."""

from __future__ import annotations

import streamlit as st

from dashboard import buyers
from dashboard.charts.buyers import spend_steps
from dashboard.metrics.one_buyer import Buyer
from dashboard.metrics.question import Question
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.services import Services
from dashboard.wording.formats import instant, money, number
from dashboard.wording.tables import word

_ORDERS = (
    "order_no", "created_at", "paid_at", "amount_fen", "refunded_fen", "outcome", "goods", "product",
    "store", "campaign",
)
_HISTORY = ("month", "segment", "orders", "recency", "frequency")
_NEXT = ("item_name", "chance_rate", "popular_rate")
CARDS = ("Net so far", "Purchases", "Segment", "Consent")
CONSENT = {True: "agreed", False: "did not agree", None: "was never asked"}


def render(services: Services, view: View) -> None:
    """Draw the page."""
    found = _found(services, view.question)
    if found is None:
        st.session_state.pop("buyer_read", None)
        return
    if st.session_state.get("buyer_read") != (found.channel, found.buyer):
        buyers.note_read(services, found)
        st.session_state["buyer_read"] = (found.channel, found.buyer)
    _cards(services, found)
    _orders(services, found, view.question)
    _segments(services, found, view.question)


def _found(services: Services, question: Question) -> Buyer | None:
    say = services.say
    typed = st.text_input(
        say("Find a buyer"), key="buyer-id", placeholder=say("pseudonym, or the shop's own buyer id"),
    ).strip()
    wanted = typed or st.query_params.get("buyer", "")
    if not wanted:
        st.caption(say("Retention, Loyalty and Audiences lead here, too."))
        return None
    name = buyers.named(services, wanted)
    found = buyers.read(services, question, name) if name else None
    if name is None or found is None:
        st.query_params.pop("buyer", None)
        st.warning(say("There is no buyer with this id."), icon=":material/search_off:")
        return None
    st.query_params["buyer"] = name
    if len(found.channels) > 1:
        channel = st.segmented_control(
            say("Channel"), found.channels, default=found.channel, required=True, key="buyer-channel",
            format_func=lambda name: word(name, say),
        )
        found = buyers.read(services, question, name, channel) or found
    return found


def _cards(services: Services, found: Buyer) -> None:
    say, language = services.say, services.language
    st.subheader(say("Buyer {name}", name=found.buyer), anchor=False)
    values = [
        money(found.net_fen, language), number(found.purchases, language), word(found.segment, say),
        say(CONSENT[found.consent]),
    ]
    with st.container(key="cards-buyer"):
        for column, label, value in zip(st.columns(4), CARDS, values, strict=True):
            column.metric(say(label), value, border=True)
    st.caption(say(
        "First purchase {first}, last purchase {last}; up to the end of the period.",
        first=instant(found.first_paid_at, services.timezone),
        last=instant(found.last_paid_at, services.timezone),
    ))


def _orders(services: Services, found: Buyer, question: Question) -> None:
    parts.section(services, "Net spend over time")
    if found.purchases:
        figure = spend_steps(found.spend(), services.say)
        parts.chart(services, figure, "spend", "Net spend over time", question)
    parts.section(services, "All orders")
    orders = found.orders[::-1]
    picked = parts.rows_table(services, orders, _ORDERS, "buyer-orders", selectable=True)
    table_menu(services, orders, _ORDERS, "buyer-orders", "All orders", question)
    if picked is None:
        st.caption(services.say("Select a row to see the trade."))
    else:
        where = {"id": orders[picked]["order_no"]}
        parts.link(services, "trades", services.say("See this trade"), where)


def _segments(services: Services, found: Buyer, question: Question) -> None:
    left, right = st.columns(2)
    with left:
        parts.section(services, "Segments by month")
        parts.rows_table(services, found.history, _HISTORY, "history")
        table_menu(services, found.history, _HISTORY, "history", "Segments by month", question)
    with right:
        parts.section(services, "What to offer next")
        if found.next_items:
            parts.rows_table(services, found.next_items, _NEXT, "next")
            table_menu(services, found.next_items, _NEXT, "next", "What to offer next", question)
        else:
            st.caption(services.say("No item is known that this buyer has not bought."))

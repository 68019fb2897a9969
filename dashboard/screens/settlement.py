"""Settlement: from gross to net, what is still on its way, and what channels charge."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.money import gross_to_net, net_by_day
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.fee_rate import overcharges
from dashboard.metrics.question import Question
from dashboard.reconciling import of_channels
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.screens.parts import Card
from dashboard.services import Services

_OVERCHARGED = (
    "billed_on", "channel", "order_no", "trade_no", "receipt_fen", "fee_fen", "contract_fen",
    "overcharged_fen",
)


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say, question = services.say, of_channels(view.question)
    whole = services.metric("waterfall", question)
    transit = services.metric("money_in_transit", question)
    fees = services.metric("fee_rate", question)
    parts.as_of(services, whole)
    if set(view.question.where) - {"channel"}:
        st.caption(say("Settlement is not filtered by product, client, store or campaign."))
    parts.notes(services, whole, transit, fees)
    if not whole.rows:
        parts.nothing(services)
        return
    earlier = services.metric("waterfall", of_channels(view.earlier)) if view.earlier else None
    parts.cards(services, [
        Card("Gross", whole, "gross_fen", "money", earlier),
        Card("Net", whole, "net_fen", "money", earlier),
        Card("Fees", whole, "fee_fen", "money", earlier, is_better_up=False),
        Card("In transit", transit, "in_transit_fen", "money", is_better_up=None),
    ])
    parts.section(services, "From gross to net", whole)
    parts.chart(services, gross_to_net(whole, say), "waterfall", "From gross to net", question, whole)
    daily = services.metric("waterfall", question.split("day", "channel"))
    parts.section(services, "Net by day", daily)
    parts.chart(services, net_by_day(daily, say), "net-by-day", "Net by day", question, daily)
    _transit(services, question)
    _fees(services, question, fees)


def _transit(services: Services, question: Question) -> None:
    """Days of which something is still on its way."""
    answer = services.metric("money_in_transit", question.split("day", "channel"))
    if not answer.rows:
        return
    parts.section(services, "Money in transit", answer)
    rows = [row for row in answer.rows if row["in_transit_fen"]]
    if not rows:
        st.caption(services.say("Everything that is due has arrived, as far as bills are loaded."))
        return
    names = (*answer.question.by, *answer.metric.fields)
    parts.rows_table(services, rows, names, "transit")
    table_menu(services, rows, names, "transit", "Money in transit", question)


def _fees(services: Services, question: Question, fees: Answer) -> None:
    """Effective rates by channel, and payments that cost more than agreed."""
    by_channel = services.metric("fee_rate", question.split("channel"))
    parts.section(services, "Effective fee rate", fees)
    parts.answer_table(services, by_channel, "fee-rate", "Effective fee rate")
    rows = overcharges(services.reader, question)
    if not rows:
        return
    parts.section(services, "Overcharges")
    picked = parts.rows_table(services, rows, _OVERCHARGED, "overcharges", selectable=True)
    table_menu(services, rows, _OVERCHARGED, "overcharges", "Overcharges", question)
    if picked is None:
        st.caption(services.say("Select a row to see the trade."))
    else:
        parts.trade_link(services, rows[picked]["order_no"], services.say("To the trade"))

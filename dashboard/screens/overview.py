"""Overview: the period's numbers, their trend, and how fresh they are."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.answers import failure_bars, sales_by_day
from dashboard.metrics.question import Question
from dashboard.screens import parts
from dashboard.services import Services
from dashboard.wording.formats import money, number, percent


def render(services: Services, question: Question) -> None:
    """Draw the page."""
    sales = services.metric("sales", question)
    parts.as_of(services, sales)
    _cards(services, question)
    daily = services.metric("sales", parts.split(question, "day"))
    st.subheader(services.say("Paid by day"), anchor=False)
    if daily.rows:
        parts.chart(sales_by_day(daily, services.say), "sales-by-day")
        with st.expander(services.say("As a table")):
            parts.answer_table(services, daily, "sales-by-day")
    failures = services.metric("failures", question)
    st.subheader(services.say("Why payments fail"), anchor=False)
    if failures.rows:
        parts.chart(failure_bars(failures, services.say), "failures")
    else:
        st.info(services.say("Nothing in this period."), icon=":material/inbox:")
    st.subheader(services.say("How fresh the numbers are"), anchor=False)
    parts.rows_table(services, services.freshness(), ["source", "watermark"], "freshness")


def _cards(services: Services, question: Question) -> None:
    language = services.language
    sales = services.metric("sales", question)
    conversion = services.metric("conversion", question)
    success = services.metric("payment_success", question)
    settlement = services.metric("settlement", Question(question.first_day, question.last_day))
    sold = sales.rows[0] if sales.rows else {}
    converted = conversion.rows[0] if conversion.rows else {}
    succeeded = success.rows[0] if success.rows else {}
    settled = settlement.rows[0] if settlement.rows else {}
    cards = (
        ("Paid", money(sold.get("paid_fen"), language), sales),
        ("Orders", number(sold.get("orders"), language), sales),
        ("Order conversion", percent(converted.get("rate"), language), conversion),
        ("Payment success", percent(succeeded.get("rate"), language), success),
        ("Buyers", number(sold.get("buyers"), language), sales),
        ("Refunded", money(sold.get("refunded_fen"), language), sales),
        ("Average order", money(sold.get("average_order_fen"), language), sales),
        ("Net settlement", money(settled.get("net_fen"), language), settlement),
    )
    for first in range(0, len(cards), 4):
        for column, (label, value, answer) in zip(
            st.columns(4), cards[first : first + 4], strict=True
        ):
            with column:
                parts.card(services, label, value, answer)
    if question.where:
        st.caption(services.say("Settlement is not filtered by product, client, store or campaign."))
    parts.notes(services, sales, conversion, success, settlement)

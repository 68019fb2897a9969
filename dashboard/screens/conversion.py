"""Conversion: what became of every order created."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.answers import outcome_bars, rate_by_day
from dashboard.metrics.question import Question
from dashboard.screens import parts
from dashboard.services import Services
from dashboard.wording.formats import number, percent


def render(services: Services, question: Question) -> None:
    """Draw the page."""
    say, language = services.say, services.language
    conversion = services.metric("conversion", question)
    success = services.metric("payment_success", question)
    parts.as_of(services, conversion)
    row = conversion.rows[0] if conversion.rows else {}
    tried = success.rows[0] if success.rows else {}
    cards = (
        ("Orders", number(row.get("orders"), language), conversion),
        ("Still open", number(row.get("open"), language), conversion),
        ("Order conversion", percent(row.get("rate"), language), conversion),
        ("Payment success", percent(tried.get("rate"), language), success),
        ("First attempt", percent(tried.get("first_attempt_rate"), language), success),
        ("Recovery", percent(tried.get("recovery_rate"), language), success),
    )
    for first in range(0, len(cards), 3):
        for column, (label, value, answer) in zip(
            st.columns(3), cards[first : first + 3], strict=True
        ):
            with column:
                parts.card(services, label, value, answer)
    parts.notes(services, conversion, success)
    if not conversion.rows:
        st.info(say("Nothing in this period."), icon=":material/inbox:")
        return
    daily = services.metric("conversion", parts.split(question, "day"))
    st.subheader(say("Order conversion by day"), anchor=False)
    parts.chart(rate_by_day(daily, say), "conversion-by-day")
    with st.expander(say("As a table")):
        parts.answer_table(services, daily, "conversion-by-day")
    outcomes = services.metric("outcomes", question)
    st.subheader(say("What became of the orders"), anchor=False)
    if outcomes.rows:
        parts.chart(outcome_bars(outcomes, say), "outcomes")
    parts.answer_table(services, outcomes, "outcomes")
    st.caption(say("The classes add up to the decided orders; orders still open are not lost."))
    _slices(services, question)


def _slices(services: Services, question: Question) -> None:
    say = services.say
    st.subheader(say("By product, client, store and campaign"), anchor=False)
    names = ("product", "client", "store", "campaign")
    for tab, name in zip(
        st.tabs([say(label) for label in ("Product", "Client", "Store", "Campaign")]),
        names, strict=True,
    ):
        with tab:
            answer = services.metric("conversion", parts.split(question, name))
            parts.answer_table(services, answer, f"conversion-by-{name}")

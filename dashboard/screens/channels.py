"""Channels: side by side on the same products and hours."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.money import rates_compared
from dashboard.reconciling import of_channels
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.services import Services

_BY_CHANNEL = (
    ("conversion", "Order conversion"), ("payment_success", "Payment success"),
    ("failures", "Failures"), ("refund_rate", "Refund rate"),
)


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say, question = services.say, view.question
    compared = services.metric("channel_comparison", question)
    parts.as_of(services, compared)
    parts.notes(services, compared)
    parts.section(services, "On the same products and hours", compared)
    if compared.rows:
        figure = rates_compared(compared, say)
        parts.chart(services, figure, "channels", "On the same products and hours", question, compared)
    else:
        st.caption(say("No product and hour has orders of every channel of the period."))
    parts.section(services, "Settlement")
    settled = services.metric("waterfall", of_channels(question, "channel"))
    parts.answer_table(services, settled, "settled", "Settlement")
    for name, title in _BY_CHANNEL:
        answer = services.metric(name, question.split("channel"))
        parts.section(services, title, answer)
        parts.answer_table(services, answer, name, title)

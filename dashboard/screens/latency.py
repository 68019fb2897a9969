"""Latency: how long payments, notifications and refunds take."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.answers import rung_bars
from dashboard.metrics.question import Question
from dashboard.screens import parts
from dashboard.services import Services


def render(services: Services, question: Question) -> None:
    """Draw the page."""
    say = services.say
    latency = services.metric("latency", question)
    notifications = services.metric("notifications", question)
    parts.as_of(services, latency)
    parts.notes(services, latency, notifications)
    st.subheader(say("By stage"), anchor=False)
    parts.answer_table(services, latency, "latency")
    st.caption(say(latency.metric.definition))
    st.subheader(say("By day"), anchor=False)
    daily = services.metric("latency", parts.split(question, "day"))
    parts.answer_table(services, daily, "latency-by-day")
    st.subheader(say("Notifications"), anchor=False)
    parts.answer_table(services, notifications, "notifications")
    st.caption(say(notifications.metric.definition))
    rungs = notifications.rows[0]["rung"] if notifications.rows else {}
    if rungs:
        st.subheader(say("Which delivery was received first"), anchor=False)
        parts.chart(rung_bars(rungs, say), "rungs")

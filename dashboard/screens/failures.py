"""Failures: why attempts fail, where, and what it loses."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.answers import failure_bars
from dashboard.metrics.question import Question
from dashboard.screens import parts
from dashboard.services import Services


def render(services: Services, question: Question) -> None:
    """Draw the page."""
    say = services.say
    failures = services.metric("failures", question)
    parts.as_of(services, failures)
    parts.notes(services, failures)
    if not failures.rows:
        st.info(say("Nothing in this period."), icon=":material/inbox:")
        return
    st.subheader(say("Lost value by reason"), anchor=False)
    parts.chart(failure_bars(failures, say), "failures")
    parts.answer_table(services, failures, "failures")
    st.caption(say(failures.metric.definition))
    st.subheader(say("By day"), anchor=False)
    daily = services.metric("failures", parts.split(question, "day"))
    parts.answer_table(services, daily, "failures-by-day")

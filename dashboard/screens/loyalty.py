"""Loyalty: segments and how buyers move between them, churn risk, and what buyers are worth."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.buyers import holdout, movement_map, risk_bars, segment_map
from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.metrics.segment_rules import rule_rows
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.buyer_links import buyers_table
from dashboard.screens.parts import Card
from dashboard.services import Services

_RULES = ("segment", "days_since", "orders_a_year")
_BUYERS = ("buyer", "last_paid_at", "orders", "net_fen", "recency", "frequency", "value")


def render(services: Services, view: View) -> None:
    """Draw the page."""
    question = view.question
    segments = services.metric("segments", question)
    value = services.metric("lifetime_value", question)
    parts.as_of(services, segments)
    parts.cards(services, [
        Card("Buyers", value, "buyers", "number"),
        Card("Net so far", value, "net_fen", "money"),
        Card("Net per buyer", value, "mean_fen", "money"),
        Card("Expected in 365 days", value, "expected_fen", "money"),
    ])
    parts.notes(services, value)
    if not segments.rows:
        parts.nothing(services)
        return
    parts.section(services, "Segments", segments)
    scores = services.metric("segment_scores", question)
    figure = segment_map(scores.rows, services.say)
    parts.chart(services, figure, "segments", "Segments", question, scores)
    _segments(services, question)
    with st.expander(services.say("The rules"), icon=":material/rule:"):
        parts.rows_table(services, rule_rows(), _RULES, "rules")
    moved = services.metric("segment_movement", question)
    parts.section(services, "Movement in 30 days", moved)
    figure = movement_map(moved.rows, services.say)
    parts.chart(services, figure, "movement", "Movement in 30 days", question, moved)
    _risk(services, question)
    _holdout(services, question)


@st.fragment
def _segments(services: Services, question: Question) -> None:
    answer = services.metric("segments", question)
    names = answer.metric.fields
    picked = parts.rows_table(services, answer.rows, names, "segment-list", selectable=True)
    if picked is None:
        st.caption(services.say("Select a row to see its buyers."))
        return
    segment = answer.rows[picked]["segment"]
    where = {"segment": segment}
    parts.link(services, "audiences", services.say("Build an audience of them"), where)
    buyers = Loyalty(services.answers).buyers_in(question, segment)
    buyers_table(services, buyers, _BUYERS, "segment-buyers", "Buyers of the segment", question)


def _risk(services: Services, question: Question) -> None:
    answer = services.metric("churn_risk", question)
    parts.section(services, "Churn risk", answer)
    parts.notes(services, answer)
    figure = risk_bars(answer.rows, services.say)
    parts.chart(services, figure, "risk", "Churn risk", question, answer)


def _holdout(services: Services, question: Question) -> None:
    found = Loyalty(services.answers).prediction(question)
    if found is None or not found.weeks:
        return
    tested = services.metric("lifetime_holdout", question)
    parts.section(services, "The prediction, tested on the last weeks", tested)
    figure = holdout(found.weeks, services.say)
    title = "The prediction, tested on the last weeks"
    parts.chart(services, figure, "holdout", title, question, tested)

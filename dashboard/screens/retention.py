"""Retention: who comes back, when, and what a failed first attempt costs later."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.buyers import clickable, cohort_curves, mix_bars, return_curves, triangle
from dashboard.metrics.buyer_mix import whole_months
from dashboard.metrics.failure_loyalty import is_ranked
from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.metrics.retention import mean_row
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.buyer_links import cell_buyers
from dashboard.screens.files import figure_menu, table_menu
from dashboard.screens.parts import Card, choice
from dashboard.services import Services

GRAINS = {"month": "by month", "week": "by week"}
MODES = {
    "retention": "in that period", "retention_rolling": "in it or later",
    "retention_days": "on that day (24 hours)",
    "retention_days_rolling": "on it or later (24 hours)",
}
SHOWN = {"rate": "buyers who came back", "net_fen": "net amount"}
GROUPS = {
    "all": "all together", "month": "by first month", "product": "by product", "store": "by store",
    "campaign": "by campaign", "first_attempt": "by outcome of the first attempt",
}
_CELLS = ("cohort", "period", "buyers", "returned", "rate", "low", "high", "net_fen")


def render(services: Services, view: View) -> None:
    """Draw the page."""
    question = view.question
    repeat = services.metric("repeat_rate", question.last(365))
    mix = services.metric("buyer_mix", question)
    parts.as_of(services, repeat)
    parts.cards(services, [
        Card("Buyers", mix, "buyers", "number"),
        Card("New buyers", mix, "new_buyers", "number"),
        Card("Returning share", mix, "returning_rate", "percent"),
        Card("Repeat rate", repeat, "rate", "percent"),
    ])
    st.caption(services.say(
        "The repeat rate and all that follows are of the last 365 days up to the end of the period."
    ))
    _cohorts(services, question.last(365))
    _mix(services, question.last(365))
    _second(services, question.last(365))
    _failure(services, question.last(365))


@st.fragment
def _cohorts(services: Services, question: Question) -> None:
    say = services.say
    with st.container(horizontal=True):
        grain = choice(services, "Cohorts", GRAINS, "cohort-grain")
        mode = choice(services, "Came back", MODES, "cohort-mode")
        field = choice(services, "Shown", SHOWN, "cohort-field")
    answer = services.metric(mode, question.split(grain))
    parts.section(services, "Who comes back", answer)
    parts.notes(services, answer)
    if not answer.rows:
        parts.nothing(services)
        return
    means = mean_row(answer.rows)
    figure = triangle(answer.rows, means, say, field)
    clicked = parts.pick(services, clickable(figure), f"triangle-{mode}-{grain}", "Who comes back")
    figure_menu(services, figure, "triangle", "Who comes back", None, question)
    st.caption(say(
        "Across: so many months, weeks or days after the first purchase. Hatched: has not ended yet,"
        " which is not zero. Retention is not a funnel: a buyer may skip a period and come back."
        " Click a cell to see its buyers."
    ))
    if clicked:
        cell_buyers(services, answer.question, mode, clicked[3], clicked[2], "clicked")
    parts.section(services, "Cohorts as curves", answer)
    figure = cohort_curves(answer.rows, means, say)
    parts.chart(services, figure, "curves", "Cohorts as curves", question)
    with st.expander(say("As a table"), icon=":material/table:"):
        picked = parts.rows_table(services, answer.rows, _CELLS, "cells", selectable=True)
        table_menu(services, answer, answer.metric.fields, "cells", "Who comes back", question)
        if picked is None:
            st.caption(say("Select a row to see its buyers."))
            return
        cell = answer.rows[picked]
        cell_buyers(services, answer.question, mode, cell["cohort"], cell["period"], "picked")


def _mix(services: Services, question: Question) -> None:
    answer = services.metric("buyer_mix", whole_months(question))
    parts.section(services, "New and returning buyers", answer)
    figure = mix_bars(answer.rows, "month", services.say)
    parts.chart(services, figure, "mix", "New and returning buyers", question, answer)


@st.fragment
def _second(services: Services, question: Question) -> None:
    answer = services.metric("second_purchase", question)
    parts.section(services, "Time to the second purchase", answer)
    group = choice(services, "Split by", GROUPS, "second-group")
    asked = question if group in ("all", "first_attempt") else question.split(group)
    curves = Loyalty(services.answers).curves(asked, group == "first_attempt")
    if not any(curves.values()):
        parts.nothing(services)
        return
    figure = return_curves(curves, services.say)
    parts.chart(services, figure, "second", "Time to the second purchase", question, answer)


def _failure(services: Services, question: Question) -> None:
    answer = services.metric("failure_loyalty", question)
    parts.section(services, answer.metric.title, answer)
    few = [at for at, row in enumerate(answer.rows) if not is_ranked(row)]
    parts.answer_table(services, answer, "failure-loyalty", answer.metric.title, faint=few)
    st.caption(services.say(
        "An association: buyers whose first attempt fails may differ in other ways too."
    ))

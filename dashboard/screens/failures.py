"""Failures: why attempts fail, where, when, and what it loses."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.charts.failures import pareto, reasons_by_day, source_stage
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.worth import worth
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.screens.marks import with_marks
from dashboard.services import Services

_WORTH = ("reason", "orders", "lost_fen", "monthly_fen", "best_fen", "best_slice")


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say, question = services.say, view.question
    failures = services.metric("failures", question)
    parts.as_of(services, failures)
    parts.notes(services, failures)
    if not failures.rows:
        parts.nothing(services)
        return
    parts.section(services, "Lost value by reason", failures)
    parts.chart(services, pareto(failures, say), "pareto", "Lost value by reason", question)
    _drill(services, failures)
    title = "Lost value by reason"
    table_menu(services, failures, failures.metric.fields, "failures", title, question)
    by_product = services.metric("failures", question.split("product", "client"))
    orders = services.metric("conversion", question.split("product", "client"))
    parts.section(services, "What a fix is worth")
    rows = worth(by_product, orders, question.days)
    parts.rows_table(services, rows, _WORTH, "worth")
    table_menu(services, rows, _WORTH, "worth", "What a fix is worth", question)
    st.caption(say(
        "A month: the loss at the present pace. Gain: what would not be lost if every product and"
        " client failed as rarely for this reason as the best one with at least 200 orders does."
    ))
    left, right = st.columns(2)
    with left:
        parts.section(services, "Who and where")
        parts.chart(services, source_stage(failures, say), "matrix", "Who and where", question)
    with right:
        parts.section(services, "Codes not mapped yet")
        _unmapped(services, failures)
    daily = services.metric("failures", question.split("day"))
    parts.section(services, "Failed attempts by day", daily)
    figure = with_marks(services, view, reasons_by_day(daily, say))
    parts.chart(services, figure, "reasons-by-day", "Failed attempts by day", question, daily)


@st.fragment
def _drill(services: Services, failures: Answer) -> None:
    """The reasons as a table; a selected one leads to its trades."""
    names = failures.metric.fields
    picked = parts.rows_table(services, failures.rows, names, "failures", selectable=True)
    if picked is None:
        st.caption(services.say("Select a row to see its trades."))
        return
    row: dict[str, Any] = failures.rows[picked]
    where = {"reason": row["reason"]} | ({"code": row["code"]} if row["code"] else {})
    parts.link(services, "trades", services.say("See these trades"), where)


def _unmapped(services: Services, failures: Answer) -> None:
    rows = [row for row in failures.rows if row["reason"] == "unmapped"]
    if rows:
        parts.rows_table(services, rows, ("code", "stage", "attempts", "orders", "lost_fen"), "unmapped")
    else:
        st.caption(services.say("Every code of this period has a class."))

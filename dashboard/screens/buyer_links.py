"""Buyers in a table, each a click away from their own page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.screens import parts
from dashboard.screens.files import table_menu
from dashboard.services import Services

_OF_A_CELL = ("buyer", "first_paid_at", "last_paid_at", "orders", "net_fen")


def buyer_link(services: Services, buyer: str | None) -> None:
    """A way to a buyer's page; nothing where no buyer is known."""
    if buyer:
        parts.link(services, "buyer", services.say("See this buyer"), {"buyer": buyer})


def buyers_table(
    services: Services, rows: Sequence[dict[str, Any]], names: Sequence[str], key: str, title: str,
    question: Question | None = None,
) -> None:
    """Buyers to look at, and with a question to take away; a selected one leads to their page."""
    if not rows:
        parts.nothing(services)
        return
    picked = parts.rows_table(services, rows, names, key, selectable=True)
    if question is not None:
        table_menu(services, rows, names, key, title, question)
    if picked is None:
        st.caption(services.say("Select a row to see the buyer."))
    else:
        buyer_link(services, rows[picked]["buyer"])


def cell_buyers(
    services: Services, question: Question, mode: str, cohort: str, period: int, key: str
) -> None:
    """The buyers of a cell of a triangle, under the cell's name."""
    st.markdown(f"**{cohort} · {period}**")
    buyers = Loyalty(services.answers).buyers_of(question, cohort, period, mode)
    buyers_table(services, buyers, _OF_A_CELL, f"cell-{key}", "Buyers of the cell", question)

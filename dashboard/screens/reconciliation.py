"""Reconciliation: from ours to the bill, what is open, and which bills are missing."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.money import ours_to_bill
from dashboard.metrics.catalogue import Answer
from dashboard.reconciling import of_channels, only
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.month_end import month_end_menu
from dashboard.screens.open_items import missing, queue, standing
from dashboard.services import Services


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say, question = services.say, of_channels(view.question)
    sides = [services.metric(name, question) for name in ("reconciliation", "account_reconciliation")]
    identity = services.metric("reconciliation_identity", question)
    parts.as_of(services, identity)
    if set(view.question.where) - {"channel"}:
        st.caption(say("Settlement is not filtered by product, client, store or campaign."))
    parts.notes(services, identity, *sides)
    if not identity.rows:
        parts.nothing(services)
        return
    standing(services, view)
    for bill, side, title in zip(
        ("trade_bill", "account_bill"), sides, ("Against the trade bill", "Against the account bill"),
        strict=True,
    ):
        _side(services, bill, side, identity, title)
    queue(services, view)
    missing(services, view)
    balances = services.metric("balance_roll", question)
    if balances.rows:
        parts.section(services, "Balance roll-forward", balances)
        parts.answer_table(services, balances, "balances", "Balance roll-forward")
    month_end_menu(services, question)


def _side(services: Services, bill: str, side: Answer, identity: Answer, title: str) -> None:
    """The sum from ours to a bill, and the classes it is made of."""
    own = only(identity, bill=bill)
    if not own.rows:
        return
    parts.section(services, title, side)
    left, right = st.columns([3, 2])
    with left:
        figure = ours_to_bill(own, services.say)
        parts.chart(services, figure, bill, title, own.question, own)
        gap = own.rows[0]["gap_fen"]
        told = "The sum comes out to the fen." if gap == 0 else "The sum does not come out."
        st.caption(services.say(told), help=parts.defined(services, identity))
    with right:
        parts.answer_table(services, side, f"classes-{bill}", title)

"""Payments that look like a second one for the same purchase, each with the way to its refund."""

from __future__ import annotations

import streamlit as st

from dashboard.metrics.question import Question
from dashboard.refund_desk import twice_rows
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.services import Services
from dashboard.wording.formats import money, number, plain

_LISTED = (
    "order_no", "amount_fen", "paid_at", "twin_order_no", "twin_paid_at", "apart_s", "buyer", "why",
)


def _period(services: Services, view: View) -> Question:
    question = view.question
    days = st.date_input(
        services.say("Period"), (question.first_day, question.last_day), key="twice-days",
        format="YYYY-MM-DD", width=250,
    )
    return Question(days[0], days[-1]) if isinstance(days, tuple) and days else question


def paid_twice(services: Services, view: View) -> None:
    """Proposals in the chosen period; the later payment is the one to refund."""
    say, question = services.say, _period(services, view)
    found = services.refund_desk.double_payments(question.first_day, question.last_day)
    if not found:
        st.success(say("Nobody seems to have paid twice in this period."),
                   icon=":material/check_circle:")
        return
    total = sum(item.amount_fen for item in found)
    st.markdown(say(
        "{count} payments look like second ones, {amount} together. Look at both before refunding.",
        count=number(len(found), services.language), amount=plain(money(total, services.language)),
    ))
    rows = twice_rows(found, say)
    picked = parts.rows_table(services, rows, _LISTED, "paid-twice", selectable=True)
    table_menu(services, rows, _LISTED, "paid-twice", "Paid twice", question)
    if picked is None:
        st.caption(say("Select a row to see both orders."))
        return
    with st.container(horizontal=True):
        parts.trade_link(
            services, found[picked].order_no, say("Refund {order}", order=found[picked].order_no)
        )
        parts.trade_link(services, found[picked].twin_order_no)

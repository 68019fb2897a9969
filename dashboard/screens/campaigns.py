"""Campaigns: what they did, what they gave away, and how large a test of the next one must be."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.charts.campaigns import effects
from dashboard.metrics.campaigns import judged
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.planner import POWERS, plan_rows
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.services import Services
from dashboard.wording.formats import number, percent

EFFECTS = {
    "uplift": "on conversion", "value_uplift_fen": "on the order's value",
    "new_uplift": "on new buyers", "discount_order_fen": "on the discount",
}
_SHOWN = (
    "campaign", "orders", "matured", "paid", "rate", "uplift", "uplift_low", "uplift_high",
    "matched_share", "holdout_uplift", "holdout_uplift_low", "holdout_uplift_high", "holdout_orders",
    "discount_fen", "new_buyers", "paid_fen", "low", "high", "begun_at",
)
_PLAN = ("lift_rate", "target_rate", "needed", "needed_held", "needed_days")


def render(services: Services, view: View) -> None:
    """Draw the page."""
    answer = services.metric("campaigns", view.question)
    parts.as_of(services, answer)
    parts.notes(services, answer)
    if answer.rows:
        _effects(services, answer)
        _table(services, answer)
    else:
        parts.nothing(services)
    _planner(services, view)


@st.fragment
def _effects(services: Services, answer: Answer) -> None:
    say = services.say
    parts.section(services, "What campaigns did", answer)
    field = st.segmented_control(
        say("Effect"), list(EFFECTS), key="effect", default="uplift", required=True,
        format_func=lambda name: say(EFFECTS[name]),
    ) or "uplift"
    figure = effects(answer.rows, say, field)
    if figure is None:
        st.info(say("Too few orders to compare."), icon=":material/inbox:")
    else:
        parts.chart(services, figure, "effects", "What campaigns did", answer.question)
    st.caption(say(
        "Circle: against orders of no campaign in the four weeks before, of the same hour of the week,"
        " product and client; what else changed since then counts in it. Diamond: against the hold-out"
        " group, which proves. Line: 95 % interval. Grey: chance alone may explain it. Comparisons with"
        " fewer than 30 orders on a side are in the download alone."
    ))


@st.fragment
def _table(services: Services, answer: Answer) -> None:
    picked = parts.rows_table(services, judged(answer.rows), _SHOWN, "campaigns", selectable=True)
    title = "Campaigns"
    table_menu(services, answer, answer.metric.fields, "campaigns", title, answer.question)
    if picked is None:
        st.caption(services.say("Select a row to see its trades."))
        return
    row: dict[str, Any] = answer.rows[picked]
    with st.container(horizontal=True):
        where = {"campaign": row["campaign"]}
        parts.link(services, "trades", services.say("See these trades"), where)
        parts.link(services, "retention", services.say("Whether its buyers come back"), where)


@st.fragment
def _planner(services: Services, view: View) -> None:
    """Orders a test needs, before it begins."""
    say = services.say
    conversion = services.metric("conversion", view.question)
    parts.section(services, "Plan a test")
    row = conversion.rows[0] if conversion.rows else {}
    if not row.get("rate"):
        parts.nothing(services)
        return
    with st.container(horizontal=True):
        power = st.segmented_control(
            say("Chance of seeing it"), POWERS, key="power", default=POWERS[0], required=True,
            format_func=lambda value: percent(value, services.language),
        ) or POWERS[0]
        share = st.slider(say("Held out (%)"), 5, 95, 50, 5, key="held-out", width=260)
    rows = plan_rows(row["rate"], services.orders_a_day(view.question), power, share * 0.01)
    st.caption(say(
        "Conversion without the campaign: {rate}; orders a day: {orders} (the period above).",
        rate=percent(row["rate"], services.language),
        orders=number(round(services.orders_a_day(view.question)), services.language),
    ))
    if not rows:
        parts.nothing(services)
        return
    parts.rows_table(services, rows, _PLAN, "plan")
    table_menu(services, rows, _PLAN, "plan", "Plan a test", view.question)
    st.caption(say(
        "One two-sided test at 5 %, without continuity correction; ten tests at once need more. Every"
        " order falls into one of the groups by lot; look at the result only once that many orders have"
        " come."
    ))

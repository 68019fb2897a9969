"""Latency: how long payments, notifications and refunds take."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.latency import distribution, percentiles_by_day, rung_bars
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.notifications import share_of_later
from dashboard.metrics.spread import STAGES
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.screens.marks import with_marks
from dashboard.services import Services
from dashboard.wording.formats import percent
from dashboard.wording.tables import word

_SLOWEST = ("order_no", "created_at", "took_s", "amount_fen", "outcome", "product", "client")


def render(services: Services, view: View) -> None:
    """Draw the page."""
    question = view.question
    latency = services.metric("latency", question)
    notifications = services.metric("notifications", question)
    parts.as_of(services, latency)
    parts.notes(services, latency, notifications)
    parts.section(services, "By stage", latency)
    parts.answer_table(services, latency, "latency", "By stage")
    if latency.rows:
        _stage(services, view)
    parts.section(services, "Notifications", notifications)
    names = [name for name in notifications.metric.fields if name != "rung"]
    parts.rows_table(services, notifications.rows, names, "notifications")
    table_menu(services, notifications, names, "notifications", "Notifications", question)
    _deliveries(services, notifications)


@st.fragment
def _stage(services: Services, view: View) -> None:
    """One stage: over time, as a distribution, and its slowest trades."""
    say, language = services.say, services.language
    stage = st.segmented_control(
        say("Stage"), STAGES, key="stage", default="notification", required=True,
        format_func=lambda name: word(name, say),
    ) or "notification"
    daily = services.metric("latency", view.question.split("day"))
    parts.section(services, "Percentiles by day", daily)
    figure = with_marks(services, view, percentiles_by_day(daily, stage, language))
    parts.chart(services, figure, "percentiles", "Percentiles by day", view.question, daily)
    bars = services.spread(view.question, stage)
    parts.section(services, "How they are spread")
    if bars:
        rungs = services.retry_ladder() if stage == "notification" else ()
        figure = distribution(bars, rungs, say, language)
        parts.chart(services, figure, "spread", "How they are spread", view.question)
        if rungs:
            st.caption(say(
                "Dashed lines: when the channel sends again (delivery 2, 3, …). A bump at a line"
                " means that earlier deliveries failed."
            ))
    with st.expander(say("Slowest trades"), icon=":material/hourglass_bottom:"):
        slow = services.slowest_trades(view.question, stage)
        picked = parts.rows_table(services, slow, _SLOWEST, "slowest", selectable=True)
        if picked is not None:
            parts.link(services, "trades", say("See this trade"), {"id": slow[picked]["order_no"]})


def _deliveries(services: Services, notifications: Answer) -> None:
    say = services.say
    rungs = notifications.rows[0]["rung"] if notifications.rows else {}
    if not rungs:
        return
    parts.section(services, "Which delivery was received first", notifications)
    late = share_of_later(rungs)
    if late:
        st.markdown(say(
            "**{share}** arrived on delivery 2 or later: your endpoint failed first.",
            share=percent(late, services.language),
        ))
    title = "Which delivery was received first"
    parts.chart(services, rung_bars(rungs, say), "rungs", title, notifications.question)

"""Overview: the latest day, the period's numbers, what needs attention, and how fresh they are."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.answers import day_against_day, sales_by_day, spark
from dashboard.charts.failures import failure_bars
from dashboard.metrics.day import against_same_weekday
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.marks import mark_menu, with_marks
from dashboard.screens.parts import Card
from dashboard.services import Services


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say, question = services.say, view.question
    sales = services.metric("sales", question)
    parts.as_of(services, sales)
    _cards(services, view)
    left, right = st.columns([3, 2])
    with left:
        parts.attention(services, services.attention(question))
    with right:
        _latest_day(services, view)
    daily = services.metric("sales", question.split("day"))
    parts.section(services, "Paid by day", daily)
    if daily.rows:
        earlier = services.metric("sales", view.earlier.split("day")) if view.earlier else None
        figure = with_marks(services, view, sales_by_day(daily, earlier, say))
        parts.chart(services, figure, "sales-by-day", "Paid by day", question, daily)
        mark_menu(services, view)
    else:
        parts.nothing(services)
    left, right = st.columns(2)
    with left:
        failures = services.metric("failures", question)
        parts.section(services, "Why payments fail", failures)
        if failures.rows:
            figure = failure_bars(failures, say)
            parts.chart(services, figure, "failures", "Why payments fail", question)
            parts.link(services, "failures", say("All reasons"))
        else:
            parts.nothing(services)
    with right:
        parts.section(services, "How fresh the numbers are")
        parts.rows_table(services, services.freshness(), ["source", "watermark"], "freshness")


def _latest_day(services: Services, view: View) -> None:
    """The latest day against the same weekday a week earlier, hour by hour."""
    last = view.question.last(1)
    latest = services.metric("sales", last.split("hour"))
    known_to = services.shop_time(latest.as_of)
    if known_to is None:
        return
    day = against_same_weekday(
        services.metric("sales", last.shifted(7).split("hour")), latest, known_to
    )
    if day is None:
        return
    with st.container(border=True):
        names = (last.last_day.isoformat(), last.shifted(7).last_day.isoformat())
        st.markdown(f"**{services.say('Latest day against the same weekday')}**")
        parts.pair(services, day.paid_fen, day.paid_before_fen)
        figure = day_against_day(day.hours, day.hours_before, names)
        title = "Latest day against the same weekday"
        parts.chart(services, figure, "latest-day", title, last)


def _cards(services: Services, view: View) -> None:
    question, earlier = view.question, view.earlier
    bare = question.unfiltered()
    now = {name: services.metric(name, question) for name in ("sales", "conversion", "payment_success")}
    then = {name: services.metric(name, earlier) for name in now} if earlier else {}
    daily = {name: services.metric(name, question.split("day")) for name in now}
    settled = services.metric("settlement", bare)
    was_settled = services.metric("settlement", earlier.unfiltered()) if earlier else None

    def made(label: str, name: str, field: str, shape: str, better: bool | None = True) -> Card:
        line = spark(daily[name], field, question.last_day)
        return Card(label, now[name], field, shape, then.get(name), line, better)  # type: ignore[arg-type]

    parts.cards(services, [
        made("Paid", "sales", "paid_fen", "money"),
        made("Order conversion", "conversion", "rate", "percent"),
        made("Payment success", "payment_success", "rate", "percent"),
        made("Orders", "sales", "orders", "number"),
        made("Buyers", "sales", "buyers", "number"),
        made("Average order", "sales", "average_order_fen", "money"),
        made("Refunded", "sales", "refunded_fen", "money", False),
        Card("Net settlement", settled, "net_fen", "money", was_settled),
    ])
    if question.where:
        st.caption(services.say("Settlement is not filtered by product, client, store or campaign."))
    parts.notes(services, *now.values(), settled)

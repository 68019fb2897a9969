"""Conversion: what became of every order created, and why the rate moved."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.answers import funnel, hour_of_week, rate_by_day, small_multiples
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.change import explainer
from dashboard.screens.marks import with_marks
from dashboard.screens.parts import Card
from dashboard.services import Services
from dashboard.wording.labels import FIELDS

RATES = {
    "conversion.rate": "Order conversion",
    "payment_success.rate": "Payment success",
    "payment_success.first_attempt_rate": "First attempt",
    "payment_success.recovery_rate": "Recovery",
}
WHY_PORTALS_DIFFER = (
    "Your channel's portal counts attempts that reached it, or trades created there; orders whose"
    " buyer left before the channel are unknown to it, and retries count again. Order conversion"
    " counts every order of your checkout once; payment success leaves out what never reached the"
    " channel; the first attempt's rate looks at attempt 1 only."
)


def render(services: Services, view: View) -> None:
    """Draw the page."""
    question = view.question
    conversion = services.metric("conversion", question)
    success = services.metric("payment_success", question)
    parts.as_of(services, conversion)
    _cards(services, view)
    parts.notes(services, conversion, success)
    if not conversion.rows:
        parts.nothing(services)
        return
    outcomes = services.metric("outcomes", question)
    row = conversion.rows[0]
    if outcomes.rows or row["open"]:
        parts.section(services, "What became of the orders", outcomes)
        figure = funnel(row["orders"], row["open"], outcomes, services.say)
        parts.chart(services, figure, "funnel", "What became of the orders", question, outcomes)
        st.caption(services.say(
            "The classes add up to the orders created, to the unit; orders still open (hatched) are"
            " not lost."
        ))
    _trend(services, view)
    explainer(services, view)
    _slices(services, view)
    hours = services.metric("conversion", question.split("hour"))
    parts.section(services, "Conversion by hour of the week", hours)
    figure = hour_of_week(hours, services.say)
    parts.chart(services, figure, "hours", "Conversion by hour of the week", question)


def _cards(services: Services, view: View) -> None:
    pairs = {
        name: (services.metric(name, view.question),
               services.metric(name, view.earlier) if view.earlier else None)
        for name in ("conversion", "payment_success")
    }

    def made(label: str, name: str, field: str, shape: str, better: bool | None = True) -> Card:
        now, then = pairs[name]
        return Card(label, now, field, shape, then, (), better)  # type: ignore[arg-type]

    parts.cards(services, [
        made("Orders", "conversion", "orders", "number"),
        made("Still open", "conversion", "open", "number", None),
        made("Order conversion", "conversion", "rate", "percent"),
        made("Payment success", "payment_success", "rate", "percent"),
        made("First attempt", "payment_success", "first_attempt_rate", "percent"),
        made("Recovery", "payment_success", "recovery_rate", "percent"),
    ], 3)


@st.fragment
def _trend(services: Services, view: View) -> None:
    say = services.say
    chosen = st.segmented_control(
        say("Rate"), list(RATES), key="rate", default="conversion.rate", required=True,
        format_func=lambda name: say(RATES[name]),
    ) or "conversion.rate"
    name, field = chosen.split(".")
    daily = services.metric(name, view.question.split("day"))
    earlier = services.metric(name, view.earlier.split("day")) if view.earlier else None
    title = f"{RATES[chosen]} by day"
    parts.section(services, title, daily)
    figure = with_marks(services, view, rate_by_day(daily, earlier, say, field))
    parts.chart(services, figure, "rate-by-day", title, view.question, daily)
    with st.expander(say("Why your channel's portal shows another number"), icon=":material/help:"):
        st.markdown(say(WHY_PORTALS_DIFFER))


@st.fragment
def _slices(services: Services, view: View) -> None:
    say = services.say
    parts.section(services, "By product, client, store and campaign")
    by = st.segmented_control(
        say("Split by"), NAMED_DIMENSIONS[1:], key="split", default="product", required=True,
        format_func=lambda name: say(FIELDS[name]), label_visibility="collapsed",
    ) or "product"
    daily = services.metric("conversion", view.question.split("day", by))
    figure = small_multiples(daily, by, say)
    title = "By product, client, store and campaign"
    parts.chart(services, figure, "slices", title, view.question)
    whole = services.metric("conversion", view.question.split(by))
    parts.answer_table(services, whole, f"conversion-by-{by}", title)

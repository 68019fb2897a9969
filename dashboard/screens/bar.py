"""The filter bar: period, comparison and dimensions, kept in the URL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import streamlit as st

from dashboard.metrics.question import Question
from dashboard.screens.filters import carry, dimensions, keep, worded, write
from dashboard.services import Services
from dashboard.wording.formats import plain
from dashboard.wording.labels import FIELDS

DEFAULT_DAYS = 30
COMPARISONS = {"previous": "the period before", "weeks": "4 weeks before", "none": "nothing"}
_PRESETS = (1, 7, 30, 90, 365)


@dataclass(frozen=True, slots=True)
class View:
    """What the reader looks at: the question, and the earlier one it is compared with."""

    question: Question
    earlier: Question | None


def usual_view(services: Services) -> View:
    """The period that nobody chose, for screens without the bar."""
    last = services.last_day()
    return View(Question(last - timedelta(days=DEFAULT_DAYS - 1), last), None)


def filter_bar(services: Services) -> View:
    """Draw the bar; returns what was chosen."""
    say = services.say
    last = services.last_day()
    first = last - timedelta(days=DEFAULT_DAYS - 1)
    carry()
    with st.container(horizontal=True, key="filter-bar", vertical_alignment="bottom"):
        days = _days(services, (first, last))
        _presets(services, last)
        compare = _comparison(services)
        where = dimensions(services)
    keep({"days": days, "compare": compare} | where)
    filters = {name: found for name, found in where.items() if found}
    if filters:
        listed = [
            f"{say(FIELDS[name])}: {plain(', '.join(worded(services, name, item) for item in found))}"
            for name, found in filters.items()
        ]
        st.caption(say("Only {filters}", filters=" · ".join(listed)))
    question = Question(*_period(days, first, last), (), filters)
    return View(question, _earlier(question, compare))


def _days(services: Services, usual: tuple[date, date]) -> Any:
    """The first and last day; while only the first has been picked, that one alone."""
    try:
        asked = sorted(date.fromisoformat(day) for day in st.query_params.get_all("days")[:2])
    except ValueError:
        asked = []
    st.session_state.setdefault("days", tuple(asked) or usual)
    days: Any = st.date_input(services.say("Period"), key="days", format="YYYY-MM-DD", width=250)
    chosen = list(days) if isinstance(days, tuple) else [days]
    write("days", [] if chosen == list(usual) else [str(day) for day in chosen])
    return days


def _comparison(services: Services) -> str:
    """What to compare with."""
    names = list(COMPARISONS)
    asked = st.query_params.get("compare")
    if asked in names:
        st.session_state.setdefault("compare", asked)
    chosen = st.selectbox(
        services.say("Compare with"), names, key="compare", width=170,
        format_func=lambda name: services.say(COMPARISONS[name]),
    )
    write("compare", [] if chosen == names[0] else [chosen])
    return chosen


def _presets(services: Services, last: date) -> None:
    """Buttons for the usual periods, all ending with the latest day."""
    say = services.say

    def take() -> None:
        days = st.session_state["preset"]
        if days:
            st.session_state["days"] = (last - timedelta(days=days - 1), last)

    st.segmented_control(
        say("Last days"), _PRESETS, key="preset", on_change=take, label_visibility="collapsed",
        format_func=lambda days: say("{count} d", count=days),
    )


def _period(days: Any, first: date, last: date) -> tuple[date, date]:
    """While only the first day of a period has been picked, it is that one day."""
    if isinstance(days, date):
        return days, days
    if len(days) == 0:
        return first, last
    return days[0], days[-1]


def _earlier(question: Question, compare: str | None) -> Question | None:
    """The period to compare with: as long, and made of the same weekdays where it can be."""
    if compare == "none":
        return None
    span = 28 if compare == "weeks" else question.days
    return question.shifted(span)

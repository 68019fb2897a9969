"""The filter bar: period, comparison and dimensions, kept in the URL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import streamlit as st

from dashboard.metrics.question import Question
from dashboard.screens.filters import dimensions, worded
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
    with st.container(horizontal=True, key="filter-bar", vertical_alignment="bottom"):
        days = st.date_input(
            say("Period"), value=(first, last), key="days", bind="query-params",
            format="YYYY-MM-DD", width=250,
        )
        _presets(services, last)
        compare = _comparison(services)
        where = dimensions(services)
    filters = {name: found for name, found in where.items() if found}
    if filters:
        listed = [
            f"{say(FIELDS[name])}: {plain(', '.join(worded(services, name, item) for item in found))}"
            for name, found in filters.items()
        ]
        st.caption(say("Only {filters}", filters=" · ".join(listed)))
    question = Question(*_period(days, first, last), (), filters)
    return View(question, _earlier(question, compare))


def _comparison(services: Services) -> str:
    """What to compare with. Bound by hand: a bound box writes its worded option into the URL."""
    names = list(COMPARISONS)
    asked = st.query_params.get("compare")
    chosen = st.selectbox(
        services.say("Compare with"), names, key="compare", width=170, persist_state="session",
        index=names.index(asked) if asked in names else 0,
        format_func=lambda name: services.say(COMPARISONS[name]),
    )
    if chosen != names[0]:
        st.query_params["compare"] = chosen
    elif asked:
        del st.query_params["compare"]
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

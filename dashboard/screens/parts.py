"""What screens share: the filter bar, cards, tables and states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.metrics.catalogue import Answer
from dashboard.metrics.question import Question
from dashboard.services import Services
from dashboard.wording.formats import instant
from dashboard.wording.labels import FIELDS
from dashboard.wording.tables import columns, table

DEFAULT_DAYS = 30
_BAR = ("product", "client", "store", "campaign")


def filter_bar(services: Services) -> Question:
    """Period and dimensions, kept in the URL."""
    say = services.say
    last = services.last_day()
    first = last - timedelta(days=DEFAULT_DAYS - 1)
    choices = services.choices()
    with st.container(horizontal=True, key="filter-bar", vertical_alignment="bottom"):
        days = st.date_input(
            say("Period"), value=(first, last), key="days", bind="query-params",
            format="YYYY-MM-DD", width=250,
        )
        chosen = sum(bool(st.session_state.get(name)) for name in _BAR)
        label = say("Filters ({count})", count=chosen) if chosen else say("Filters")
        with st.popover(label, icon=":material/tune:"):
            where = {
                name: st.multiselect(
                    say(FIELDS[name]), choices[name], key=name, bind="query-params",
                    placeholder=say("all"),
                )
                for name in _BAR
            }
    begin, end = _period(days, first, last)
    filters = {name: found for name, found in where.items() if found}
    if filters:
        listed = [f"{say(FIELDS[name])}: {', '.join(found)}" for name, found in filters.items()]
        st.caption(say("Only {filters}", filters=" · ".join(listed)))
    return Question(begin, end, (), filters)


def _period(days: Any, first: date, last: date) -> tuple[date, date]:
    """While only the first day of a period has been picked, it is that one day."""
    if isinstance(days, date):
        return days, days
    if len(days) == 0:
        return first, last
    return days[0], days[-1]


def split(question: Question, *by: str) -> Question:
    """The same question split by dimensions."""
    return Question(question.first_day, question.last_day, by, question.where)


def heading(services: Services, title: str) -> None:
    """The page's title."""
    st.title(services.say(title), anchor=False)


def as_of(services: Services, answer: Answer) -> None:
    """As of when the page's numbers hold."""
    if answer.as_of is not None:
        st.caption(services.say("As of {at}", at=instant(answer.as_of, services.timezone)))


def card(services: Services, label: str, value: str, answer: Answer) -> None:
    """One number with its definition behind the question mark."""
    say = services.say
    metric = answer.metric
    told = f"{say(metric.definition)} ({metric.name} v{metric.version})"
    st.metric(say(label), value, border=True, help=told)


def notes(services: Services, *answers: Answer) -> None:
    """What the answers cannot know, each sentence once."""
    told: dict[str, None] = {}
    for answer in answers:
        for template, values in answer.notes:
            told[services.say(template, **values)] = None
    for sentence in told:
        st.info(sentence, icon=":material/info:")


def chart(figure: go.Figure, name: str) -> None:
    """A figure under the page's theme."""
    st.plotly_chart(figure, key=f"chart-{name}", config={"displaylogo": False}, alt=name)


def rows_table(
    services: Services, rows: Sequence[Mapping[str, Any]], names: Sequence[str], key: str,
    *, selectable: bool = False,
) -> int | None:
    """A table of rows; returns the selected row's place where rows can be selected."""
    shown = columns(names, services.say)
    data = table(rows, shown, services.say, services.language, services.timezone)
    shapes = {
        "money": st.column_config.NumberColumn(format="%.2f"),
        "percent": st.column_config.NumberColumn(format="percent"),
        "count": st.column_config.NumberColumn(format="localized"),
    }
    config = {column.heading: shapes[column.shape] for column in shown if column.shape != "text"}
    state = st.dataframe(
        data,
        hide_index=True,
        column_config=config,
        key=f"table-{key}",
        on_select="rerun" if selectable else "ignore",
        selection_mode="single-row",
        placeholder="—",
        alt=key,
    )
    if not selectable or not isinstance(state, dict):
        return None
    picked = state.get("selection", {}).get("rows", [])
    return picked[0] if picked else None


def answer_table(services: Services, answer: Answer, key: str) -> None:
    """An answer's rows, with its definition below."""
    if not answer.rows:
        st.info(services.say("Nothing in this period."), icon=":material/inbox:")
        return
    rows_table(services, answer.rows, [*answer.question.by, *answer.metric.fields], key)


def empty_home(services: Services) -> None:
    """What a home without any load shows: how to begin."""
    say = services.say
    st.info(say("Nothing has been loaded yet."), icon=":material/inbox:")
    st.markdown(
        say(
            "Load files on the Data screen, or with `mdash load PATH…`: Alipay bills as downloaded"
            " (zip), notification logs and checkout logs."
        )
    )

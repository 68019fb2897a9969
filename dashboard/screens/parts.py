"""What screens share: cards, charts, tables and states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal
from urllib.parse import urlencode

import streamlit as st
from pandas import DataFrame

from dashboard.charts.figures import Figure
from dashboard.metrics.attention import Finding
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from dashboard.screens.files import begin_page, figure_menu, table_menu
from dashboard.services import Services
from dashboard.wording.formats import change, instant, money, number, percent
from dashboard.wording.sentences import sentence
from dashboard.wording.tables import columns, note, table

_KEPT = ("days", "compare")
_STYLE = """<style>
.stMainBlockContainer { padding: 2.4rem clamp(1rem, 4vw, 4rem) 4rem; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p { opacity: 1; }
[data-testid="stCaptionContainer"] { color: color-mix(in srgb, currentColor 78%, transparent); }
.mdash-way {
  color: color-mix(in srgb, currentColor 45%, #0D9488); text-decoration: none; font-weight: 500;
}
[class*="st-key-cards"] [data-testid="stMetricValue"] { font-size: 1.7rem; }
.mdash-way:hover, .mdash-way:focus-visible { text-decoration: underline; }
[data-testid="stHeader"] { background: transparent; }
@media (max-width: 640px) {
  [data-testid="stMetricValue"], [class*="st-key-cards"] [data-testid="stMetricValue"] {
    font-size: 1.15rem;
  }
  .stMainBlockContainer { padding-top: 3.2rem; }
  [class*="st-key-cards"] [data-testid="stColumn"] {
    min-width: calc(50% - .5rem); flex: 1 1 calc(50% - .5rem);
  }
}
</style>"""


def heading(services: Services, title: str) -> None:
    """The page's title, and the house's spacing."""
    begin_page(title)
    st.html(_STYLE)
    st.title(services.say(title), anchor=False)


def as_of(services: Services, answer: Answer) -> None:
    """As of when the page's numbers hold."""
    if answer.as_of is not None:
        st.caption(services.say("As of {at}", at=instant(answer.as_of, services.timezone)))


def section(services: Services, title: str, answer: Answer | None = None) -> None:
    """A section's title, with the definition of its number behind the question mark."""
    told = defined(services, answer) if answer else None
    st.subheader(services.say(title), anchor=False, help=told)


def defined(services: Services, answer: Answer) -> str:
    """A metric's definition in words, with its name and version."""
    metric = answer.metric
    return f"{services.say(metric.definition)} ({metric.name} v{metric.version})"


@dataclass(frozen=True, slots=True)
class Card:
    """One number of a page. `value`, `before`: the field now and in the period compared with."""

    label: str
    answer: Answer
    field: str
    shape: Literal["money", "number", "percent"]
    earlier: Answer | None = None
    line: Sequence[float] = ()
    is_better_up: bool | None = True


def card(services: Services, item: Card) -> None:
    """A number with its change, its small line, and its definition behind the question mark."""
    shown = {"money": money, "number": number, "percent": percent}[item.shape]
    value = item.answer.rows[0].get(item.field) if item.answer.rows else None
    before = item.earlier.rows[0].get(item.field) if item.earlier and item.earlier.rows else None
    up = {True: "normal", False: "inverse", None: "off"}
    st.metric(
        services.say(item.label),
        shown(value, services.language),
        change(value, before, item.shape, services.language),
        border=True,
        help=defined(services, item.answer),
        delta_color=up[item.is_better_up],  # type: ignore[arg-type]
        chart_data=list(item.line) or None,
        chart_type="area",
        height="stretch",
    )


def cards(services: Services, items: Sequence[Card], in_a_row: int = 4) -> None:
    """Cards side by side; on a phone one below the other."""
    with st.container(key="cards"):
        for first in range(0, len(items), in_a_row):
            row = items[first : first + in_a_row]
            for column, item in zip(st.columns(in_a_row), row, strict=False):
                with column:
                    card(services, item)


def attention(services: Services, findings: Sequence[Finding]) -> None:
    """What stands out, each with how sure it is and the way to why."""
    say = services.say
    with st.container(border=True, key="attention"):
        st.markdown(f"**{say('Needs attention')}**")
        if not findings:
            st.caption(say("Nothing stands out from chance."))
        for finding in findings:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                icon = ":green[▲]" if finding.is_good else ":orange[●]"
                st.markdown(f"{icon} {sentence(services, finding)}", width="stretch")
                link(services, finding.page, say("See why"), finding.where)


def link(
    services: Services, page: str, label: str, where: Mapping[str, Any] | None = None
) -> None:
    """A way to another screen that keeps the reader's filters; a real link, to open or to copy."""
    params = {name: st.query_params.get_all(name) for name in (*_KEPT, *NAMED_DIMENSIONS)}
    for name, value in (where or {}).items():
        params[name] = [str(part) for part in (value if isinstance(value, tuple) else (value,))]
    way(page, params | {"lang": [services.language]}, label)


def way(page: str, params: Mapping[str, Sequence[str]], label: str) -> None:
    """A link to a screen with these parameters."""
    query = urlencode({name: value for name, value in params.items() if value}, doseq=True)
    address = escape(f"{'./' if page == 'overview' else page}?{query}", quote=True)
    st.html(f'<a class="mdash-way" href="{address}">{escape(label)} →</a>', width="content")


def trade_link(services: Services, order_no: str, label: str | None = None) -> None:
    """The way to one trade."""
    way("trades", {"id": [order_no], "lang": [services.language]},
        label or services.say("Order {number}", number=order_no))


def notes(services: Services, *answers: Answer) -> None:
    """What the answers cannot know, each sentence once."""
    told: dict[str, None] = {}
    for answer in answers:
        for template, values in answer.notes:
            told[note(template, values, services.say)] = None
    for told_once in told:
        st.info(told_once, icon=":material/info:")


def chart(
    services: Services, figure: Figure, name: str, title: str, question: Question,
    answer: Answer | None = None,
) -> None:
    """A figure under the page's theme, its numbers as a table below, and both to take away."""
    st.plotly_chart(figure, key=f"chart-{name}", alt=services.say(title), config=_BARE)
    figure_menu(services, figure, name, title, answer, question)
    if answer is not None and answer.rows:
        with st.expander(services.say("As a table"), icon=":material/table:"):
            rows_table(services, answer.rows, [*answer.question.by, *answer.metric.fields], name)


def pick(services: Services, figure: Figure, key: str, title: str) -> Sequence[Any] | None:
    """A figure whose points can be clicked; returns what the clicked one carries."""
    state = st.plotly_chart(
        figure, key=f"chart-{key}", alt=services.say(title), config=_BARE, on_select="rerun",
        selection_mode="points",
    )
    points = state["selection"]["points"] if isinstance(state, dict) else []
    return next((point["customdata"] for point in points if point.get("customdata")), None)


_BARE: dict[str, Any] = {"displaylogo": False, "displayModeBar": False}
_FAINT = "color: #94A3B8"
_NO_TOOLBAR = "<style>[data-testid=\"stElementToolbar\"] { display: none; }</style>"
"""A table's own toolbar has a button that takes it away as CSV, past the right and the trail."""
_SENTENCE = st.column_config.TextColumn(width="large")


def rows_table(
    services: Services, rows: Sequence[Mapping[str, Any]], names: Sequence[str], key: str,
    *, selectable: bool = False, faint: Sequence[int] = (),
) -> int | None:
    """A table of rows, some of them faint; returns the selected row's place where one can be."""
    shown = columns(names, services.say)
    data: Any = table(rows, shown, services.say, services.language, services.timezone)
    if faint:
        data = DataFrame(data).style.apply(
            lambda line: [_FAINT if line.name in faint else ""] * len(line), axis=1
        )
    shapes = {
        "money": st.column_config.NumberColumn(format="%,.2f"),
        "percent": st.column_config.NumberColumn(format="percent"),
        "count": st.column_config.NumberColumn(format="localized"),
    }
    config = {column.heading: shapes[column.shape] for column in shown if column.shape != "text"}
    config |= {column.heading: _SENTENCE for column in shown if column.name in ("why", "why_not")}
    if not services.person.may("export"):
        st.html(_NO_TOOLBAR)
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


def nothing(services: Services) -> None:
    """What stands where a period has no rows."""
    st.info(services.say("Nothing in this period."), icon=":material/inbox:")


def pair(services: Services, fen: int, before_fen: int | None) -> None:
    """An amount and how it stands against another."""
    language = services.language
    moved = change(fen, before_fen, "money", language)
    st.metric(
        services.say("Paid on the latest day"), money(fen, language), moved,
        label_visibility="collapsed",
    )


def answer_table(
    services: Services, answer: Answer, name: str, title: str, shown: Sequence[str] = (),
    faint: Sequence[int] = (),
) -> None:
    """An answer's rows, to look at and to take away."""
    if not answer.rows:
        nothing(services)
        return
    names = [*answer.question.by, *answer.metric.fields]
    rows_table(services, answer.rows, shown or names, name, faint=faint)
    table_menu(services, answer, names, name, title, answer.question)


def choice(services: Services, label: str, names: dict[str, str], key: str) -> str:
    """One of several by a row of buttons; the first until another is chosen."""
    first = next(iter(names))
    return st.segmented_control(
        services.say(label), list(names), key=key, default=first, required=True,
        format_func=lambda name: services.say(names[name]),
    ) or first


def empty_home(services: Services) -> None:
    """What a home without any load shows: how to begin."""
    say = services.say
    st.info(say("Nothing has been loaded yet."), icon=":material/inbox:")
    st.markdown(
        say(
            "Load files on the Data screen, or with `mdash load PATH…`: Alipay and WeChat Pay bills as"
            " downloaded (zip, gz, csv), notification logs and checkout logs."
        )
    )

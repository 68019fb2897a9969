"""Taking things away: charts, tables and whole pages as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboard.charts.figures import Figure
from dashboard.exports.files import Download, figure_files, page_files, table_files
from dashboard.exports.pages import Chart, Listing, Part
from dashboard.exports.provenance import Provenance, of_answers, of_rows
from dashboard.metrics.catalogue import Answer
from dashboard.metrics.question import Question
from dashboard.services import Services


def begin_page(title: str) -> None:
    """From here on a page's charts and tables are gathered, so that they can leave together."""
    st.session_state["page_parts"] = {}
    st.session_state["page_title"] = title


def gather(name: str, part: Part) -> None:
    """Keep a chart or a table for the page's file."""
    st.session_state.setdefault("page_parts", {})[name] = part


def here() -> str:
    """The address of what is looked at, without an id that somebody pasted, and without a buyer."""
    base = (st.context.url or "").split("?")[0]
    shown = [name for name in st.query_params if name not in ("id", "buyer")]
    query = urlencode({name: st.query_params.get_all(name) for name in shown}, doseq=True)
    return f"{base}?{query}" if query else base


def figure_menu(
    services: Services, figure: Figure, name: str, title: str, answer: Answer | None,
    question: Question,
) -> None:
    """A menu to take a chart away, and its numbers where it is drawn from one answer."""
    told = _told(services, name, title, answer, question)
    gather(name, Chart(services.say(title), figure))
    found = figure_files(services, figure, told)
    if answer is not None:
        found += table_files(services, answer, told)
    menu(services, name, found)


def table_menu(
    services: Services, rows: Sequence[Mapping[str, Any]] | Answer, names: Sequence[str], name: str,
    title: str, question: Question,
) -> None:
    """A menu to take a table away."""
    answer = rows if isinstance(rows, Answer) else None
    listed = answer.rows if answer else rows
    gather(f"table-{name}", Listing(services.say(title), listed, names))  # type: ignore[arg-type]
    told = _told(services, name, title, answer, question)
    menu(services, f"table-{name}", table_files(services, rows, told, names))


def page_menu(services: Services, name: str, title: str, question: Question) -> None:
    """A button that makes one PDF of all that the page shows."""
    parts: dict[str, Part] = st.session_state.get("page_parts", {})
    if not parts or not services.person.may("export"):
        return
    told = of_rows(services, name, services.say(title), question=question, link=here())
    for item in page_files(services, list(parts.values()), told):
        st.download_button(
            services.say("This page as {format}", format=item.format.label),
            data=services.taken(item), file_name=item.file_name, mime=item.format.mime,
            key=f"page-{item.format.suffix}",
            icon=":material/picture_as_pdf:", on_click="ignore", type="tertiary",
        )


def _told(
    services: Services, name: str, title: str, answer: Answer | None, question: Question
) -> Provenance:
    if answer is not None:
        return of_answers(services, [answer], link=here(), title=services.say(title), name=name)
    return of_rows(services, name, services.say(title), question=question, link=here())


def menu(
    services: Services, name: str, found: Sequence[Download], title: str = "Download"
) -> None:
    if not services.person.may("export"):
        return
    with st.popover(
        services.say(title), icon=":material/download:", type="tertiary", key=f"menu-{name}"
    ):
        for item in found:
            st.download_button(
                item.format.label, data=services.taken(item), file_name=item.file_name,
                mime=item.format.mime, key=f"get-{name}-{item.format.suffix}", on_click="ignore",
                type="tertiary",
            )

"""Narrowing the reconciliation's open items down by class and state, and leafing through them."""

from __future__ import annotations

import streamlit as st

from dashboard.services import Services
from dashboard.wording.tables import word
from loaders.store.reader import Row

PAGE = 200
"""So many items are drawn at once; a download has all that were chosen."""


def narrowed(services: Services, rows: list[Row]) -> list[Row]:
    """The items of the chosen classes and states; all until something is chosen."""
    with st.container(horizontal=True):
        picked = {
            name: _picked(services, {row[name] for row in rows}, name, label)
            for name, label in (("class", "Class"), ("handling", "Handling"))
        }
    return [
        row for row in rows
        if all(row[name] in wanted for name, wanted in picked.items() if wanted)
    ]


def _picked(services: Services, met: set[str], name: str, label: str) -> list[str]:
    key = f"items-{name}"
    st.session_state[key] = [text for text in st.session_state.get(key, []) if text in met]
    return st.multiselect(
        services.say(label), sorted(met), key=key, format_func=lambda text: word(text, services.say),
        placeholder=services.say("all"),
    )


def leaf(services: Services, rows: list[Row]) -> list[Row]:
    """The page of items that is looked at; the only one where they are few."""
    pages = len(range(0, len(rows), PAGE))
    if pages <= 1:
        return rows
    say = services.say
    page = int(st.number_input(say("Page"), 1, pages, 1, key=f"items-page-{len(rows)}"))
    shown, first = on_page(rows, page), (page - 1) * PAGE
    st.caption(say(
        "Items {first} to {last} of {count}.", first=first + 1, last=first + len(shown), count=len(rows)
    ))
    return shown


def on_page(rows: list[Row], page: int) -> list[Row]:
    """The items of a page; the first is page 1."""
    return rows[(page - 1) * PAGE : page * PAGE]

"""The boxes that narrow a view by its dimensions, kept in the URL."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.services import Services
from dashboard.wording.labels import FIELDS, WORDED
from dashboard.wording.tables import word


def carry() -> None:
    """Choose again what was chosen on the screen before: a way through the sidebar has no address."""
    kept = st.session_state.get("bar", {})
    is_addressed = any(name in st.query_params for name in kept)
    if st.session_state.get("is_moved") and not is_addressed:
        for name, chosen in kept.items():
            st.session_state[name] = chosen


def keep(chosen: dict[str, Any]) -> None:
    """Remember what the bar was set to."""
    st.session_state["bar"] = chosen


def dimensions(services: Services) -> dict[str, list[str]]:
    """What the reader narrows each dimension to, chosen in boxes behind one button."""
    say = services.say
    choices = services.choices()
    chosen = sum(bool(st.session_state.get(name)) for name in NAMED_DIMENSIONS)
    label = say("Filters ({count})", count=chosen) if chosen else say("Filters")
    with st.popover(label, icon=":material/tune:"):
        return {name: _choice(services, name, choices[name]) for name in NAMED_DIMENSIONS}


def _choice(services: Services, name: str, choices: list[str]) -> list[str]:
    asked = [item for item in st.query_params.get_all(name) if item in choices]
    st.session_state.setdefault(name, asked)
    chosen = st.multiselect(
        services.say(FIELDS[name]), choices, key=name, placeholder=services.say("all"),
        format_func=lambda item: worded(services, name, item),
    )
    write(name, chosen)
    return chosen


def write(name: str, chosen: list[str]) -> None:
    """Put a choice into the address; by hand, since a bound box writes words instead of codes."""
    if chosen:
        if chosen != st.query_params.get_all(name):
            st.query_params[name] = chosen
    elif name in st.query_params:
        del st.query_params[name]


def worded(services: Services, name: str, item: str) -> str:
    """A choice as people read it."""
    return word(item, services.say) if name in WORDED else item

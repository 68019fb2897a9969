"""The boxes that narrow a view by its dimensions, kept in the URL."""

from __future__ import annotations

import streamlit as st

from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.services import Services
from dashboard.wording.labels import FIELDS, WORDED
from dashboard.wording.tables import word


def dimensions(services: Services) -> dict[str, list[str]]:
    """What the reader narrows each dimension to, chosen in boxes behind one button."""
    say = services.say
    choices = services.choices()
    chosen = sum(bool(st.session_state.get(name)) for name in NAMED_DIMENSIONS)
    label = say("Filters ({count})", count=chosen) if chosen else say("Filters")
    with st.popover(label, icon=":material/tune:"):
        return {
            name: _worded_choice(services, name, choices[name]) if name in WORDED else st.multiselect(
                say(FIELDS[name]), choices[name], key=name, bind="query-params",
                placeholder=say("all"),
            )
            for name in NAMED_DIMENSIONS
        }


def _worded_choice(services: Services, name: str, choices: list[str]) -> list[str]:
    """What to narrow by, in words. Bound by hand: a bound box writes its worded options into the URL."""
    given = st.query_params.get_all(name)
    asked = [] if name in st.session_state else [item for item in given if item in choices]
    chosen = st.multiselect(
        services.say(FIELDS[name]), choices, key=name, persist_state="session",
        default=asked or None, placeholder=services.say("all"),
        format_func=lambda item: worded(services, name, item),
    )
    if chosen != given:
        st.query_params[name] = chosen
    return chosen


def worded(services: Services, name: str, item: str) -> str:
    """A choice as people read it."""
    return word(item, services.say) if name in WORDED else item

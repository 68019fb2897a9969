"""Acting from a screen: what was refused is said where it was clicked."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.services import Services
from loaders.errors import Forbidden, MdashError, RefusedInput


def act(place: str, do: Callable[[], object]) -> None:
    """Do something; what is refused is kept for `said`."""
    try:
        do()
    except MdashError as error:
        st.session_state[f"said-{place}"] = (error.template, error.values)
    else:
        st.session_state.pop(f"said-{place}", None)


def forget(place: str, do: Callable[[], object]) -> None:
    """Delete something; what is gone already, from another tab, is no error."""

    def once() -> None:
        try:
            do()
        except Forbidden:
            raise
        except RefusedInput:
            return

    act(place, once)


def said(services: Services, place: str) -> None:
    """Why the last thing done at this place was refused, until something is done there again."""
    refused = st.session_state.get(f"said-{place}")
    if refused:
        template, values = refused
        st.error(services.say(template, **values), icon=":material/error:")

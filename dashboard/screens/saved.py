"""Saved views: a page with its filters under a name, for oneself or for everybody."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

import streamlit as st

from dashboard.screens.acting import forget, said
from dashboard.screens.parts import way
from dashboard.services import Services
from loaders.errors import MdashError

_LEFT_OUT = frozenset({"lang", "id"})


def saved_views(services: Services, page: str) -> None:
    """The reader's views in the sidebar, and the way to save the present one."""
    say = services.say
    with st.sidebar, st.expander(say("Saved views"), icon=":material/bookmark:"):
        for view in services.people.views():
            row = st.container(horizontal=True, vertical_alignment="center", gap=None)
            with row.container(width="stretch"):
                way(view.page, parse_qs(view.query) | {"lang": [services.language]}, view.name)
            if services.people.may_remove(view):
                row.button(
                    "", icon=":material/delete:", key=f"forget-{view.id}", type="tertiary",
                    help=say("Delete {name}", name=view.name), args=(services, view.id),
                    on_click=_forget,
                )
        said(services, "views")
        _save(services, page)


def _forget(services: Services, view_id: int) -> None:
    forget("views", lambda: services.people.remove_view(view_id))


def _save(services: Services, page: str) -> None:
    say = services.say
    with st.form("save-view", clear_on_submit=True, border=False):
        name = st.text_input(say("Name of this view"), max_chars=80)
        is_shared = st.checkbox(say("Share with everybody here"))
        sent = st.form_submit_button(say("Save this view"))
    if not sent:
        return
    kept = {
        key: st.query_params.get_all(key) for key in st.query_params if key not in _LEFT_OUT
    }
    try:
        services.people.save_view(name, page, urlencode(kept, doseq=True), is_shared=is_shared)
    except MdashError as error:
        st.error(say(error.template, **error.values), icon=":material/error:")
    else:
        st.rerun()

"""Marks on daily charts: people's notes, alerts, campaigns, changed definitions and imports."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.figures import Figure
from dashboard.charts.marks import marked
from dashboard.screens.acting import forget, said
from dashboard.screens.bar import View
from dashboard.services import Services
from dashboard.wording.formats import plain
from dashboard.wording.tables import word
from loaders.errors import MdashError

KINDS = ("note", "alert", "campaign", "definition", "load")
_SHOWN = ("note", "alert", "campaign", "definition")


def with_marks(services: Services, view: View, figure: Figure) -> Figure:
    """A daily chart with the marks that the reader wants to see."""
    kinds = st.session_state.get("marks", _SHOWN)
    try:
        found = services.people.marks(view.question, kinds)
    except MdashError as error:
        st.caption(services.say(error.template, **error.values))
        return figure
    return marked(figure, [
        (item.kind, item.begins, item.first_day, item.last_day, item.text) for item in found
    ])


def mark_menu(services: Services, view: View) -> None:
    """Which marks are shown, and one's own notes."""
    say = services.say
    with st.popover(say("Notes and marks"), icon=":material/flag:", type="tertiary"):
        st.multiselect(
            say("Marked on the charts"), KINDS, key="marks", default=_SHOWN, persist_state="session",
            format_func=lambda kind: word(kind, say),
        )
        for note in services.people.notes(view.question):
            row = st.container(horizontal=True, vertical_alignment="center", gap=None)
            row.markdown(f"{note.day or note.at:%Y-%m-%d} · {plain(note.text)}", width="stretch")
            if services.people.may_remove(note):
                row.button(
                    "", icon=":material/delete:", key=f"note-{note.id}", type="tertiary",
                    help=say("Delete this note"), on_click=_forget, args=(services, note.id),
                )
        said(services, "notes")
        _add(services, view)


def _forget(services: Services, note_id: int) -> None:
    forget("notes", lambda: services.people.remove_note(note_id))


def _add(services: Services, view: View) -> None:
    say = services.say
    with st.form("note", clear_on_submit=True, border=False):
        day = st.date_input(say("Day"), value=view.question.last_day, format="YYYY-MM-DD")
        text = st.text_input(say("Your note"), max_chars=500)
        sent = st.form_submit_button(say("Add the note"))
    if not sent:
        return
    try:
        services.people.add_note(day, text, view.question.where)
    except MdashError as error:
        st.error(say(error.template, **error.values), icon=":material/error:")
    else:
        st.rerun()

"""Data: what is loaded for which day, gaps, history, rejects, upload and undo."""

from __future__ import annotations

import streamlit as st

from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.services import Services
from dashboard.wording.tables import word
from loaders.errors import MdashError

_LOADS = (
    "load_id", "file", "kind", "first_day", "last_day", "rows", "rejected", "duplicates", "status",
    "loaded_at",
)


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say = services.say
    if services.person.may("load"):
        _upload(services)
    if services.reader.is_empty:
        parts.empty_home(services)
        return
    st.subheader(say("How fresh the numbers are"), anchor=False)
    parts.rows_table(services, services.freshness(), ["source", "watermark"], "freshness")
    lines = services.lines()
    if lines:
        parts.section(services, "Connections to the channels")
        parts.rows_table(services, lines, ["channel", "line_state", "failed"], "lines")
        st.caption(say(
            "A paused channel is asked nothing for a while, because too many calls in a row failed."
        ))
    st.subheader(say("What is loaded for which day"), anchor=False)
    covered = services.coverage(view.question.first_day, view.question.last_day)
    names = ("day", "checkout_log", "notification_log", "trade_bill", "account_bill")
    parts.rows_table(services, covered, names, "coverage")
    st.subheader(say("Loads"), anchor=False)
    loads = services.loads()
    picked = parts.rows_table(services, loads, _LOADS, "loads", selectable=True)
    if not services.person.may("load"):
        st.caption(say("Only who may load can take a load back."))
    elif picked is None:
        st.caption(say("Select a load to take it back."))
    else:
        _undo(services, loads[picked]["load_id"])
    rejects = services.rejects()
    st.subheader(say("Rejected lines"), anchor=False)
    if rejects:
        parts.rows_table(services, rejects, ("load_id", "file", "line", "why"), "rejects")
    else:
        st.caption(say("No line was rejected."))


def _upload(services: Services) -> None:
    say = services.say
    with st.form("upload", clear_on_submit=True):
        files = st.file_uploader(
            say("Bills, notification logs or checkout logs"), accept_multiple_files=True
        )
        sent = st.form_submit_button(say("Load"), type="primary")
    if not sent or not files:
        return
    with st.spinner(say("Loading…")):
        try:
            reports = services.upload_contents([(file.name, file.getvalue()) for file in files])
        except MdashError as error:
            st.error(say(error.template, **error.values), icon=":material/error:")
            return
    for report in reports:
        show = st.error if report["status"] == "refused" else st.success
        if report["rejected"]:
            show = st.warning
        show(
            say(
                "{file}: {status}, {rows} rows, {rejected} rejected. {message}",
                file=report["path"],
                status=word(report["status"], say),
                rows=report["rows"],
                rejected=report["rejected"],
                message=report["message"] or "",
            )
        )


def _undo(services: Services, load_id: int) -> None:
    say = services.say
    sure = st.checkbox(say("I want to take load {number} back.", number=load_id), key="sure")
    if st.button(say("Take it back"), disabled=not sure):
        with st.spinner(say("Taking it back…")):
            try:
                st.info(services.undo(load_id))
            except MdashError as error:
                st.error(say(error.template, **error.values), icon=":material/error:")

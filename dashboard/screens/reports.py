"""Reports by mail: which view goes to whom, and when."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.screens import parts
from dashboard.screens.acting import forget, said
from dashboard.services import Services
from dashboard.wording.tables import word
from loaders.errors import MdashError

_CADENCES = ("daily", "weekly", "monthly")
_FORMATS = ("none", "xlsx", "csv", "pdf")


def reports(services: Services) -> None:
    """The reports there are, and a form for a new one."""
    say, people = services.say, services.people
    parts.section(services, "Reports by mail")
    if not people.can_mail:
        st.caption(say("Set [mail] smtp_host and mail_from in mdash.toml to send reports."))
    found = people.schedules()
    silent = people.unsent(found)
    for item in found:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.markdown(
            f"**{item.name}** · {word(item.cadence, say)} {item.time} · {', '.join(item.recipients)}",
            width="stretch",
        )
        if item.id in silent:
            row.caption(say(
                "Not sent: {name} has no account that may take files away.", name=item.owner
            ))
        if people.may_remove(item):
            row.button(
                "", icon=":material/delete:", key=f"report-{item.id}", type="tertiary",
                help=say("Delete {name}", name=item.name), on_click=_forget,
                args=(services, item.id),
            )
    said(services, "reports")
    if not people.may_mail:
        st.caption(say("Reports are set up by who has the right to take files away (export)."))
        return
    with st.expander(say("New report"), icon=":material/add:"):
        _new(services)


def _forget(services: Services, schedule_id: int) -> None:
    forget("reports", lambda: services.people.remove_schedule(schedule_id))


def _new(services: Services) -> None:
    say = services.say
    views: dict[int | None, str] = {None: say("The whole shop")}
    views |= {view.id: view.name for view in services.people.views()}
    with st.form("report", border=False):
        name = st.text_input(say("Name"), max_chars=80)
        recipients = st.text_input(say("Recipients, parted by commas"))
        with st.container(horizontal=True):
            cadence: Any = st.selectbox(
                say("How often"), _CADENCES, format_func=lambda item: word(item, say)
            )
            at = st.text_input(say("At (shop time)"), value="08:30", width=120)
            on_day = st.number_input(say("Weekday or day of the month"), 1, 31, 1)
            form: Any = st.selectbox(
                say("Attached"), _FORMATS, format_func=lambda item: word(item, say)
            )
        view = st.selectbox(say("View"), list(views), format_func=lambda item: views[item])
        sent = st.form_submit_button(say("Save"), type="primary")
    if not sent:
        return
    people = [item.strip() for item in recipients.split(",") if item.strip()]
    try:
        services.people.save_schedule(
            name, cadence, at, people, on_day=int(on_day), view_id=view, format_=form
        )
    except MdashError as error:
        st.error(say(error.template, **error.values), icon=":material/error:")
    else:
        st.rerun()

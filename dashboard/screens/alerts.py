"""Alerts: what they are, what they found, what a new one would have found; and reports by mail."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.reports import reports
from dashboard.services import Services
from dashboard.wording.tables import word
from loaders.errors import MdashError

_EPISODE = ("alert", "where", "begun_at", "ended_at", "worst", "baseline", "count")
_KINDS = ("success_rate", "traffic", "latency", "freshness")
_SOURCES = ("checkout_log", "notification_log", "trade_bill", "account_bill")
_STAGES = ("channel", "notification", "recognition", "end_to_end")
_DAYS = 90


def render(services: Services, _view: View) -> None:
    """Draw the page."""
    say, people = services.say, services.people
    if not people.can_mail and not people.can_post:
        st.info(
            say(
                "Alerts are found and kept here; to have them sent, set [alerts] webhook_url or"
                " [mail] smtp_host in mdash.toml."
            ),
            icon=":material/info:",
        )
    parts.section(services, "What the alerts found")
    found = people.episodes()
    if found:
        parts.rows_table(services, found, _EPISODE, "episodes")
    else:
        st.caption(say("No alert has fired."))
    parts.section(services, "Alerts")
    if not people.may_change_alerts:
        st.caption(say("Alerts are changed by an administrator, or by who may load files."))
    for stored in people.rules():
        with st.expander(f"{stored.name} · {word(stored.rule.kind, say)}"):
            _edit(services, stored.name, stored.rule.model_dump(mode="json"), stored.is_enabled)
    with st.expander(say("New alert"), icon=":material/add:"):
        kind = st.selectbox(say("Kind"), _KINDS, key="new-kind", format_func=lambda k: word(k, say))
        _edit(services, "", {"kind": kind}, True)
    reports(services)


@st.fragment
def _edit(services: Services, name: str, given: dict[str, Any], is_enabled: bool) -> None:
    """An alert's thresholds, with a backtest before they are saved."""
    say, key = services.say, name or f"new-{given['kind']}"
    wanted = st.text_input(say("Name"), value=name, key=f"name-{key}", disabled=bool(name))
    parameters = _parameters(services, key, given)
    on = st.toggle(say("On"), value=is_enabled, key=f"on-{key}")
    with st.container(horizontal=True):
        may = services.people.may_change_alerts
        tried = st.button(say("What would it have found?"), key=f"try-{key}")
        saved = may and st.button(say("Save"), key=f"save-{key}", type="primary")
        gone = may and name != "" and st.button(say("Delete"), key=f"remove-{key}", type="tertiary")
    try:
        if tried:
            _backtest(services, parameters)
        if saved:
            services.people.save_rule(wanted, parameters, is_enabled=on)
        if gone:
            services.people.remove_rule(name)
    except MdashError as error:
        st.error(say(error.template, **error.values), icon=":material/error:")
        return
    if saved or gone:
        st.rerun()


def _parameters(services: Services, key: str, given: dict[str, Any]) -> dict[str, Any]:
    """The fields that people set; all else keeps its default or what it was."""
    say, kind = services.say, given["kind"]
    made = dict(given)

    def number(field: str, label: str, default: float) -> None:
        """Whole numbers stay whole: the default says which a field is."""
        value = type(default)(given.get(field) or default)
        made[field] = st.number_input(say(label), value=value, key=f"{field}-{key}")

    with st.container(horizontal=True):
        if kind == "freshness":
            made["source"] = st.selectbox(
                say("Source"), _SOURCES, key=f"source-{key}", format_func=lambda s: word(s, say),
                index=_SOURCES.index(given.get("source", _SOURCES[0])),
            )
            number("older_than_h", "Older than (hours)", 40.0)
            return made
        number("least", "At least so many orders", {"success_rate": 50, "latency": 100}.get(kind, 20))
        if kind == "success_rate":
            number("fire_pp", "Fires below usual by (points)", 3.0)
            number("recover_pp", "Recovers within (points)", 1.5)
        if kind == "latency":
            made["stage"] = st.selectbox(
                say("Stage"), _STAGES, key=f"stage-{key}", format_func=lambda s: word(s, say),
                index=_STAGES.index(given.get("stage", "notification")),
            )
            number("factor", "Fires above usual times", 3.0)
    return made


def _backtest(services: Services, parameters: dict[str, Any]) -> None:
    say = services.say
    with st.spinner(say("Looking back…")):
        found, rows = services.people.backtest(parameters, _DAYS)
    if found.as_of is None:
        st.warning(say("A source that this alert needs was never loaded."), icon=":material/info:")
        return
    st.markdown(say(
        "It would have fired {count} times in {days} days.", count=len(rows), days=_DAYS
    ))
    if rows:
        parts.rows_table(services, rows, _EPISODE[1:], "backtest")

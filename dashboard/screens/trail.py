"""The audit trail: read it, verify it, take it away; refunds per person; erasing a buyer."""

from __future__ import annotations

from datetime import date, timedelta

import streamlit as st

from dashboard.operations.trail import ACTIONS
from dashboard.oversight import entries, refunders
from dashboard.screens import parts
from dashboard.services import Services
from loaders.errors import MdashError

_ENTRIES = ("seq", "at", "actor", "action", "subject", "detail")
_REFUNDERS = (
    "person", "refunds", "amount_fen", "just_under", "after_hours", "same_buyer", "own_approvals",
    "stands_out",
)
_DAYS = timedelta(days=30)


def render(services: Services) -> None:
    """Draw the page."""
    say = services.say
    people, actions = services.trail.choices()
    left, middle, right = st.columns(3)
    person = left.selectbox(say("Person"), people, index=None, key="trail-person",
                            placeholder=say("all"))
    action = middle.selectbox(
        say("Action"), actions, index=None, key="trail-action", placeholder=say("all"),
        format_func=lambda name: say(ACTIONS.get(name, name)),
    )
    subject = right.text_input(say("Subject"), key="trail-subject")
    today = services.today()
    days = _days(st.date_input(
        say("Period"), (today - _DAYS, today), key="trail-days", format="YYYY-MM-DD"
    ), today)
    found = entries(services, person, action, subject.strip(), days)
    if found:
        parts.rows_table(services, found, _ENTRIES, "trail")
    else:
        parts.nothing(services)
    with st.container(horizontal=True):
        checked = st.button(say("Verify the trail"), icon=":material/verified:")
        _take(services, days)
    if checked:
        _verify(services)
    parts.section(services, "Refunds per person")
    _refunders(services, days)
    parts.section(services, "Erase a buyer")
    _erase(services)


def _days(chosen: object, today: date) -> tuple[date, date]:
    """The chosen days; while only the first is chosen, up to today."""
    days = [item for item in chosen if isinstance(item, date)] if isinstance(chosen, tuple) else []
    return (days[0], days[-1] if len(days) > 1 else today) if days else (today - _DAYS, today)


def _verify(services: Services) -> None:
    say = services.say
    done = services.trail.verify()
    if done["ok"]:
        st.success(say("The trail holds: {count} entries.", count=done["entries"]))
    else:
        st.error(done["message"], icon=":material/error:")


def _take(services: Services, days: tuple[date, date]) -> None:
    def make() -> bytes:
        lines = services.trail.lines(first_day=days[0], last_day=days[1])
        return "".join(f"{line}\n" for line in lines).encode()

    st.download_button(
        services.say("Download for an auditor"), data=make, mime="application/jsonl",
        file_name=f"trail_{days[0]}_{days[1]}.jsonl", icon=":material/download:", on_click="ignore",
    )


def _refunders(services: Services, days: tuple[date, date]) -> None:
    found = refunders(services, *days)
    if not found:
        parts.nothing(services)
        return
    parts.rows_table(services, found, _REFUNDERS, "refunders")
    st.caption(services.say(
        "Counted per person who asked: amounts just under the limit above which another approves,"
        " refunds outside of 08:00 to 22:00, most refunds to one buyer, tries to approve one's own."
        " A count stands out from three cases on and at three times the median of all others."
    ))


def _erase(services: Services) -> None:
    say = services.say
    turn = st.session_state.setdefault("erase_turn", 0)
    if told := st.session_state.pop("erase_told", None):
        st.success(told)
    with st.form(f"erase-{turn}"):
        buyer = st.text_input(say("The buyer's pseudonym or own id"), type="password")
        reason = st.text_input(say("Reason"))
        sure = st.checkbox(say("I want to erase this buyer. It cannot be taken back."))
        sent = st.form_submit_button(say("Erase"))
    if not sent:
        return
    try:
        if not sure:
            told = f"{services.erase_preview(buyer)} {say('Tick the box to erase.')}"
            st.warning(told, icon=":material/warning:")
            return
        with st.spinner(say("Erasing…")):
            st.session_state["erase_told"] = services.erased_sentence(services.erase(buyer, reason))
    except MdashError as error:
        st.error(say(error.template, **error.values), icon=":material/error:")
        return
    st.session_state["erase_turn"] = turn + 1
    st.rerun()

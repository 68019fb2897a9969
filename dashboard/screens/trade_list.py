"""Verdicts of a pasted list of ids."""

from __future__ import annotations

import streamlit as st

from dashboard.metrics.question import Question
from dashboard.screens import parts
from dashboard.screens.files import table_menu
from dashboard.services import Services
from dashboard.trade_desk import Listed, ids_of, list_row
from dashboard.wording.trades import STATES
from loaders.errors import RefusedInput

_COLUMNS = (
    "asked_id", "verdict_state", "verdict", "next_step", "amount_fen", "refunded_fen", "order_no",
    "trade_no", "channel", "created_at", "paid_at",
)


def list_field(services: Services) -> None:
    """Where many ids are pasted."""
    say = services.say
    with st.popover(say("Look up a list"), icon=":material/list_alt:"), st.form("ids", border=False):
        text = st.text_area(
            say("Up to 500 ids, with spaces, commas or new lines between"), height=220, key="ids_text",
        )
        if st.form_submit_button(say("Look up"), type="primary"):
            st.session_state["asked_ids"] = text
            st.session_state["pending_id"] = ""
            st.rerun()


def verdict_table(services: Services, text: str, question: Question) -> tuple[str, str] | None:
    """The table; returns the trade that was picked."""
    say = services.say
    try:
        ids = ids_of(text)
    except RefusedInput as error:
        st.error(say(error.template, **error.values), icon=":material/error:")
        return None
    with st.spinner(say("{count} ids are looked up …", count=len(ids))):
        listed = services.trade_desk.many(ids)
    _note(services, text, listed)
    st.caption(say("{found} trades of {count} ids; {missing} ids belong to none.",
                   found=len(listed.found), count=len(ids), missing=len(listed.missing)))
    rows = [
        list_row(asked, item, say(STATES[item.verdict.state])) for asked, item in listed.found
    ] + [{"asked_id": asked, "verdict_state": say("Not found")} for asked in listed.missing]
    picked = parts.rows_table(services, rows, _COLUMNS, "verdicts", selectable=True)
    table_menu(services, rows, _COLUMNS, "verdicts", "Verdicts", question)
    if picked is None or picked >= len(listed.found):
        return None
    facts = listed.found[picked][1].facts
    return facts.channel, facts.order_no


def _note(services: Services, text: str, listed: Listed) -> None:
    """Once a list, not at every redraw."""
    if listed.found and st.session_state.get("trade_read") != text:
        services.trade_desk.note_list([item.history.key for _, item in listed.found])
        st.session_state["trade_read"] = text

"""The reconciliation's work queue: open items with what people can do about them, and missing bills."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.reconciling import (
    ADVICE,
    MISSING,
    SHOWN,
    WITH_WORDS,
    may,
    missing_bills,
    next_step,
    open_items,
)
from dashboard.reconciling import act_as_shown as work_on
from dashboard.screens import parts
from dashboard.screens.acting import act, said
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.screens.item_filter import leaf, narrowed
from dashboard.services import Services
from dashboard.wording.formats import plain
from dashboard.wording.tables import word

_ACTS = {
    "open": ("explain", "propose", "assign"), "explained": ("reopen", "assign"),
    "write_off_proposed": ("approve", "decline", "reopen"), "written_off": ("reopen",),
}
_UNDONE = ("open", "write_off_proposed")
_LISTED = tuple("handling" if name == "state" else name for name in SHOWN)
LABELS = {
    "assign": "Assign", "explain": "Explain", "propose": "Propose to write off",
    "approve": "Approve the write-off", "decline": "Decline", "reopen": "Open again",
}


def standing(services: Services, view: View) -> None:
    """How much is open, before anything else."""
    rows = [row for row in open_items(services, view.question) if row["state"] in _UNDONE]
    st.markdown(services.say(
        "**{count}** items are open, **{overdue}** of them overdue; **{bills}** bills are not loaded"
        " yet.",
        count=len(rows), overdue=sum(row["sla"] == "sla_overdue" for row in rows),
        bills=len(missing_bills(services, view.question)),
    ))


def queue(services: Services, view: View) -> None:
    """Open items; the chosen one with its trade and what can be done about it."""
    say = services.say
    rows = open_items(services, view.question)
    parts.section(services, "Open items")
    if not rows:
        st.caption(say("Nothing is open."))
        return
    rows = leaf(services, chosen := narrowed(services, rows))
    key = f"items-{rows[0]['item']}-{len(rows)}" if rows else "items"
    picked = parts.rows_table(services, rows, _LISTED, key, selectable=True)
    table_menu(services, chosen, _LISTED, "items", "Open items", view.question)
    if picked is None:
        st.caption(say("Select a row to work on it."))
    else:
        _item(services, rows[picked])


def _item(services: Services, row: dict[str, Any]) -> None:
    say = services.say
    with st.container(border=True):
        st.markdown(f"**{word(row['class'], say)} · {word(row['handling'], say)}**")
        st.markdown(say("Next: {action}", action=say(ADVICE[row["class"]])))
        if row["order_no"]:
            told = next_step(services, row)
            if told:
                st.caption(say("Of the trade itself: {action}", action=told))
            parts.trade_link(services, row["order_no"], say("To the trade"))
        for label, name in (("Owner", "owner"), ("Note", "note"), ("Proposed by", "proposed_by"),
                            ("Approved by", "approved_by")):
            if row[name]:
                st.caption(say("{label}: {value}", label=say(label), value=plain(row[name])))
        said(services, f"item-{row['item']}")
        _acts(services, row)


def _acts(services: Services, row: dict[str, Any]) -> None:
    """What the reader's role may do about the item as it is drawn here."""
    say = services.say
    possible = [name for name in _ACTS[row["state"]] if may(services, name)]
    if not possible:
        st.caption(say("Your role cannot change items."))
        return
    if any(name in WITH_WORDS for name in possible):
        st.text_input(
            say("What was found, or who looks after it"), key=f"words-{row['item']}", max_chars=500
        )
    with st.container(horizontal=True):
        for name in possible:
            st.button(
                say(LABELS[name]), key=f"{name}-{row['item']}", on_click=_do,
                args=(services, name, row),
            )


def _do(services: Services, name: str, row: dict[str, Any]) -> None:
    words = str(st.session_state.get(f"words-{row['item']}") or "")
    act(f"item-{row['item']}", lambda: work_on(services, name, row, words))


def missing(services: Services, view: View) -> None:
    """Days whose bill nobody loaded yet, and what waits for it."""
    rows = missing_bills(services, view.question)
    if not rows:
        return
    parts.section(services, "Bills not loaded yet")
    parts.rows_table(services, rows, MISSING, "missing-bills")
    table_menu(services, rows, MISSING, "missing-bills", "Bills not loaded yet", view.question)
    parts.link(services, "data", services.say("Load them"))

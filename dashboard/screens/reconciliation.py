"""Reconciliation: from ours to the bill, what is open, and what was done about it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.charts.money import ours_to_bill
from dashboard.metrics.catalogue import Answer
from dashboard.reconciling import SHOWN, act, of_channels, only, open_items
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.screens.month_end import month_end_menu
from dashboard.services import Services
from dashboard.wording.tables import word
from loaders.errors import MdashError

_ACTS = {
    "open": ("explain", "propose", "assign"), "explained": ("reopen", "assign"),
    "write_off_proposed": ("approve", "decline"), "written_off": ("reopen",),
}
_LISTED = tuple("handling" if name == "state" else name for name in SHOWN)
LABELS = {
    "assign": "Assign", "explain": "Explain", "propose": "Propose to write off",
    "approve": "Approve the write-off", "decline": "Decline", "reopen": "Open again",
}


def render(services: Services, view: View) -> None:
    """Draw the page."""
    say, question = services.say, of_channels(view.question)
    sides = [services.metric(name, question) for name in ("reconciliation", "account_reconciliation")]
    identity = services.metric("reconciliation_identity", question)
    parts.as_of(services, identity)
    if set(view.question.where) - {"channel"}:
        st.caption(say("Settlement is not filtered by product, client, store or campaign."))
    parts.notes(services, identity, *sides)
    if not identity.rows:
        parts.nothing(services)
        return
    for bill, side, title in zip(
        ("trade_bill", "account_bill"), sides, ("Against the trade bill", "Against the account bill"),
        strict=True,
    ):
        _side(services, bill, side, identity, title)
    _queue(services, view)
    balances = services.metric("balance_roll", question)
    if balances.rows:
        parts.section(services, "Balance roll-forward", balances)
        parts.answer_table(services, balances, "balances", "Balance roll-forward")
    month_end_menu(services, question)


def _side(services: Services, bill: str, side: Answer, identity: Answer, title: str) -> None:
    """The sum from ours to a bill, and the classes it is made of."""
    own = only(identity, bill=bill)
    if not own.rows:
        return
    parts.section(services, title, side)
    left, right = st.columns([3, 2])
    with left:
        figure = ours_to_bill(own, services.say)
        parts.chart(services, figure, bill, title, own.question, own)
        gap = own.rows[0]["gap_fen"]
        told = "The sum comes out to the fen." if gap == 0 else "The sum does not come out."
        st.caption(services.say(told), help=parts.defined(services, identity))
    with right:
        parts.answer_table(services, side, f"classes-{bill}", title)


def _queue(services: Services, view: View) -> None:
    """Open items; the chosen one with its trade and what can be done about it."""
    say = services.say
    rows = open_items(services, view.question)
    parts.section(services, "Open items")
    if not rows:
        st.caption(say("Nothing is open."))
        return
    picked = parts.rows_table(services, rows, _LISTED, "items", selectable=True)
    table_menu(services, rows, _LISTED, "items", "Open items", view.question)
    if picked is None:
        st.caption(say("Select a row to work on it."))
    else:
        _item(services, rows[picked])


def _item(services: Services, row: dict[str, Any]) -> None:
    say = services.say
    with st.container(border=True):
        st.markdown(f"**{word(row['class'], say)} · {word(row['handling'], say)}**")
        parts.link(services, "trades", say("To the trade"), {"id": row["order_no"]})
        words = st.text_input(say("What was found, or who looks after it"), key=f"words-{row['item']}")
        with st.container(horizontal=True):
            for name in _ACTS[row["state"]]:
                if st.button(say(LABELS[name]), key=f"{name}-{row['item']}"):
                    _do(services, name, row, words)


def _do(services: Services, name: str, row: dict[str, Any], words: str) -> None:
    try:
        act(services, name, row, words)
    except MdashError as error:
        st.error(services.say(error.template, **error.values), icon=":material/error:")
        return
    st.rerun()

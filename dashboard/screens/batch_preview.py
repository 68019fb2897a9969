"""The lines of a file of refunds, looked at before anybody confirms them."""

from __future__ import annotations

import streamlit as st

from dashboard.operations.batch import Batch
from dashboard.refund_desk import batch_rows
from dashboard.screens import parts
from dashboard.screens.bar import View
from dashboard.screens.files import table_menu
from dashboard.services import Services
from dashboard.wording.formats import money, number, plain

_PREVIEW = ("line", "identifier", "order_no", "amount_fen", "refund_state", "why_not", "reason_given")


def looked_at(services: Services, content: bytes) -> Batch:
    """The file's lines; those that look like repeats are left out until somebody ticks them in."""
    say, desk = services.say, services.refund_desk
    found = desk.preview(content)
    if not found.repeats:
        return found
    count = number(found.repeats, services.language)
    st.warning(say(
        "{count} lines ask for an amount that was refunded of the same order within 7 days, by hand"
        " or from another file. They are left out.", count=count,
    ), icon=":material/content_copy:")
    is_meant = st.checkbox(
        say("Refund these {count} lines as well; they are no repeats.", count=count),
        key="batch-repeats",
    )
    return desk.preview(content, takes_repeats=True) if is_meant else found


def preview(services: Services, view: View, found: Batch) -> None:
    """Every line with what it would do."""
    say, language = services.say, services.language
    st.markdown(say(
        "**{good} of {all} lines can be refunded, {amount} together.**",
        good=number(sum(row.is_new for row in found.rows), language),
        all=number(len(found.rows), language), amount=plain(money(found.total_fen, language)),
    ))
    before = sum(row.refund is not None for row in found.rows)
    if before:
        told = say("{count} lines of this file were asked for before and are not asked for again.",
                   count=number(before, language))
        st.info(told, icon=":material/info:")
    rows = batch_rows(found.rows, say)
    parts.rows_table(services, rows, _PREVIEW, "batch-preview")
    table_menu(services, rows, _PREVIEW, "batch-preview", "Preview", view.question)

"""Refunds from a file: a preview of every line, one confirmation, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.operations.batch import Batch, BatchRow
from dashboard.refund_desk import batch_rows, share
from dashboard.screens import parts
from dashboard.screens.acting import act, said
from dashboard.screens.bar import View
from dashboard.screens.batch_preview import looked_at, preview
from dashboard.screens.files import table_menu
from dashboard.services import Services
from dashboard.wording.formats import money, number, plain
from loaders.errors import MdashError

_RESULT = ("line", "identifier", "order_no", "amount_fen", "refund_state", "refund_no", "why")
_LARGEST_MB = 1


def batch(services: Services, view: View) -> None:
    """Upload, look, confirm, watch."""
    say = services.say
    st.caption(say(
        "A CSV with the columns `order_no` (or `trade_no` or `id`), `amount` in yuan and `reason`;"
        " Chinese headings work too. The same line twice, in the same or a corrected"
        " file, makes no second refund."
    ))
    file = st.file_uploader(
        say("File of refunds"), type=["csv", "txt"], key="batch-file", max_upload_size=_LARGEST_MB
    )
    if file is None:
        _results(services, view)
        return
    try:
        found = looked_at(services, file.getvalue())
    except MdashError as error:
        st.error(say(error.template, **error.values), icon=":material/error:")
        return
    if found.total_fen or found.repeats or "batch-results" not in st.session_state:
        preview(services, view, found)
        _confirm(services, found, file.name)
    _results(services, view)


def _confirm(services: Services, found: Batch, name: str) -> None:
    say = services.say
    good = sum(row.is_new for row in found.rows)
    label = say(
        "Ask for {count} refunds, {amount} together", count=number(good, services.language),
        amount=money(found.total_fen, services.language),
    )
    st.button(
        label, type="primary", disabled=good == 0, key="run-batch",
        on_click=_begin, args=(found, name),
    )
    begun = st.session_state.pop("batch-begun", None)
    if begun:
        act("batch", lambda: _run(services, *begun))
        st.rerun()
    said(services, "batch")


def _begin(found: Batch, name: str) -> None:
    """What was drawn is what is carried out."""
    st.session_state["batch-begun"] = (found, name)


def _run(services: Services, found: Batch, name: str) -> None:
    """Line by line; what was done so far stands even if this tab is closed."""
    done: list[BatchRow] = []
    st.session_state["batch-results"] = (name, done)
    bar = st.progress(0.0)
    total = len(found.rows)
    for row in services.refund_desk.run(found, name):
        done.append(row)
        told = services.say("{done} of {all}", done=len(done), all=total)
        bar.progress(share(len(done), total), told)


def _results(services: Services, view: View) -> None:
    name, done = st.session_state.get("batch-results", ("", ()))
    if done:
        _result_table(services, view, name, done)


def _result_table(
    services: Services, view: View, name: str, done: Sequence[BatchRow]
) -> None:
    say = services.say
    parts.section(services, "What became of each line")
    st.caption(plain(name))
    rows = batch_rows(services.refund_desk.latest(done), say)
    parts.rows_table(services, rows, _RESULT, "batch-results")
    table_menu(services, rows, _RESULT, "batch-results", "Refunds from a file", view.question)
    st.button(say("Look again"), key="batch-again", icon=":material/refresh:")

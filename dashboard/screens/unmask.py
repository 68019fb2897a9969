"""Showing what the channel told of a trade's buyer: for a reason, to who may, and on the trail."""

from __future__ import annotations

import streamlit as st

from dashboard.operations.vault import FIELDS
from dashboard.services import Services
from loaders.errors import MdashError


def unmask_menu(services: Services, channel: str, order_no: str) -> None:
    """The popover; what it shows is kept nowhere and is gone with the next click."""
    if not services.acting().may("unmask"):
        return
    say = services.say
    with (
        st.popover(say("Show the buyer's data"), icon=":material/visibility:", key="unmask-menu"),
        st.form("unmask", border=False, clear_on_submit=True),
    ):
        field = st.selectbox(
            say("What to show"), list(FIELDS), format_func=lambda name: say(FIELDS[name]),
        )
        reason = st.text_input(say("Reason"))
        st.caption(say("That you looked, and why, goes into the trail."))
        if st.form_submit_button(say("Show"), icon=":material/visibility:"):
            _show(services, channel, order_no, field, reason)


def _show(services: Services, channel: str, order_no: str, field: str, reason: str) -> None:
    try:
        st.code(services.unmask(channel, order_no, field, reason), language=None, wrap_lines=True)
    except MdashError as error:
        st.error(services.say(error.template, **error.values), icon=":material/block:")

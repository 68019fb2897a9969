"""A trade's notifications as they came, on demand, with everything personal left out."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.screens import trade_html as drawn
from dashboard.services import Services
from dashboard.timeline import Step
from dashboard.trade_desk import Judged
from dashboard.wording.formats import instant

_MOST = 20


def messages(services: Services, judged: Judged, found: Sequence[Step]) -> None:
    """A switch that shows the messages."""
    heard = [step for step in found if step.message is not None][:_MOST]
    if not heard:
        return
    say = services.say
    if not st.toggle(say("Show the notifications as they came"), key=f"raw-{judged.facts.order_no}"):
        return
    for step in heard:
        with st.container(border=True):
            st.caption(instant(step.at, services.timezone))
            _message(services, step)


def _message(services: Services, step: Step) -> None:
    raw = services.trade_desk.raw(step)
    if raw is None:
        st.write(services.say("The log that this message came in is not kept here any more."))
        return
    hidden = services.say("not shown")
    st.html(drawn.wrapped(drawn.raw_table(raw.fields, hidden)))

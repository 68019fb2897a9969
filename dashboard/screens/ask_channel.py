"""Asking the channel about one trade from its page, and saying honestly what it answered."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.services import Services
from dashboard.trade_desk import Judged
from dashboard.wording.formats import plain
from loaders.errors import Forbidden, MdashError

SHORTCUT = "Alt+A"


def ask_channel(services: Services, judged: Judged) -> None:
    """The button, and the latest answer of this view."""
    say, facts = services.say, judged.facts
    key = (facts.channel, facts.order_no)
    may = services.acting().may("query")
    is_clicked = st.button(
        say("Ask the channel now"), icon=":material/sync:", shortcut=SHORTCUT, key="ask-channel",
        type="primary" if judged.verdict.action.act == "ask" else "secondary",
        disabled=not (may and facts.can_ask), help=_why(services, may=may, can=facts.can_ask),
    )
    if is_clicked:
        with st.spinner(say("The channel is being asked …")):
            st.session_state["channel_answer"] = (key, _asked(services, facts.order_no))
        st.rerun()
    shown, answer = st.session_state.get("channel_answer", (None, None))
    if shown == key and answer is not None:
        _tell(services, answer)


def _why(services: Services, *, may: bool, can: bool) -> str | None:
    if not may:
        return services.say("You do not have the right to ask the channel.")
    return None if can else services.say("This channel is not set up for asking.")


def _asked(services: Services, order_no: str) -> dict[str, Any]:
    """The document of the answer, or what kept the question from being asked."""
    try:
        return services.query(order_no)
    except Forbidden as error:
        return {"outcome": "forbidden", "lines": [services.say(error.template, **error.values)]}
    except MdashError as error:
        return {"outcome": "unknown", "lines": [services.say(error.template, **error.values)]}


def _tell(services: Services, answer: dict[str, Any]) -> None:
    say = services.say
    told = [plain(line) for line in answer["lines"]]
    if answer["outcome"] == "forbidden":
        st.error("  \n".join(told), icon=":material/block:")
        return
    if answer["outcome"] == "unknown":
        told.insert(0, say("No answer that counts came: what became of the trade is not known."))
        st.warning("  \n".join(told), icon=":material/help:")
        return
    if answer.get("recorded") is False:
        told.append(say("The answer is kept and will be on this page once the store is free."))
    st.info("  \n".join(told), icon=":material/mark_chat_read:")

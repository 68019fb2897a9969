"""One trade: what became of it, what to do next, and everything that was heard of it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.screens import trade_html as drawn
from dashboard.screens.ask_channel import ask_channel
from dashboard.screens.buyer_links import buyer_link
from dashboard.screens.refund import refund_panel
from dashboard.screens.trade_messages import messages
from dashboard.screens.unmask import unmask_menu
from dashboard.services import Services
from dashboard.trade_desk import Judged
from dashboard.wording.formats import day, instant
from dashboard.wording.tables import word

_ANSWERS = {"zh": "中文", "en": "English"}
BY = {"notification": "by notification", "query": "by query", "bill": "by the bill"}
"""Who said that a trade was paid."""
FACTS = (
    "Channel", "Trade", "Created", "The order ends", "Paid at", "Notified", "Bill day", "Product",
    "Store", "Buyer", "Attempts", "Failure code",
)


def trade_page(services: Services, channel: str, order_no: str) -> None:
    """Draw one trade; that it was read is written down once a view."""
    desk = services.trade_desk
    judged = desk.one(channel, order_no)
    if st.session_state.get("trade_read") != (channel, order_no):
        desk.note_read(channel, order_no)
        st.session_state["trade_read"] = (channel, order_no)
    _top(services, judged)
    ask_channel(services, judged)
    _facts(services, judged)
    unmask_menu(services, channel, order_no)
    answer = st.container()
    refund_panel(services, _with_refunds(judged))
    _happened(services, judged)
    with answer:
        _answers(services, judged)


def _top(services: Services, judged: Judged) -> None:
    teller, verdict = services.trade_desk.teller, judged.verdict
    st.html(drawn.wrapped(
        drawn.head(teller, judged.facts, verdict.state, verdict.tone),
        drawn.banner(teller, judged.sentence, judged.action, verdict.tone),
    ))


def _with_refunds(judged: Judged) -> dict[str, Any]:
    """The trade as the refund panel takes it."""
    return judged.history.trade | {
        "refunds": judged.history.refunds, "verdict": judged.verdict.state,
    }


def _facts(services: Services, judged: Judged) -> None:
    say, zone, trade = services.say, services.timezone, judged.history.trade
    st.subheader(say("Facts"), anchor=False)
    paid = instant(trade["paid_at"], zone)
    if trade["paid_by"]:
        paid += f" · {say(BY[trade['paid_by']])}"
    values = (
        word(trade["channel"], say), trade["trade_no"] or "—", instant(trade["created_at"], zone),
        instant(judged.facts.ends_at, zone), paid, instant(trade["notified_at"], zone),
        day(judged.facts.billed_on), word(trade["product"], say), trade["store"] or "—",
        trade["buyer"] or "—", str(trade["attempts"]), trade["failure_code"] or "—",
    )
    told = {say(name): value for name, value in zip(FACTS, values, strict=True)}
    st.html(drawn.wrapped(drawn.facts_grid(told)))
    buyer_link(services, trade["buyer"])


def _answers(services: Services, judged: Judged) -> None:
    """What may be told to the customer, to copy."""
    st.subheader(services.say("Answer for the customer"), anchor=False)
    found = services.trade_desk.answers(judged)
    names = sorted(found, key=lambda language: language != services.language)
    for tab, language in zip(st.tabs([_ANSWERS[name] for name in names]), names, strict=True):
        with tab:
            st.code(found[language], language=None, wrap_lines=True)


def _happened(services: Services, judged: Judged) -> None:
    say = services.say
    found = judged.steps()
    st.subheader(say("What happened"), anchor=False)
    st.html(drawn.wrapped(drawn.time_line(services.trade_desk.teller, found, judged.facts.now)))
    messages(services, judged, found)

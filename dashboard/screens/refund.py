"""A trade's refund: what may be refunded and why not, asking for it, and what became of it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.operations.refunds import Standing
from dashboard.refund_desk import OPEN, why
from dashboard.screens.cancel_payment import cancel_panel
from dashboard.screens.refund_form import refund_form
from dashboard.screens.refund_progress import progress
from dashboard.services import Services
from dashboard.wording.formats import instant, money, number


def refund_panel(services: Services, trade: dict[str, Any]) -> None:
    """Everything about refunding one trade."""
    desk, say = services.refund_desk, services.say
    made = desk.of_trade(trade["channel"], trade["order_no"])
    standing = desk.standing(trade)
    st.subheader(say("Refund this order"), anchor=False)
    if not standing.paid_fen and not made:
        st.info(why(standing.why_not, say), icon=":material/block:")
        cancel_panel(services, trade)
        return
    _amounts(services, standing)
    _rules(services, standing)
    progress(services, made)
    if desk.cancellations(trade["channel"], trade["order_no"]):
        cancel_panel(services, trade)
    if standing.why_not is not None:
        st.info(why(standing.why_not, say), icon=":material/block:")
        return
    if any(refund.state in OPEN for refund in made):
        with st.expander(say("Another refund of this order"), icon=":material/add:"):
            refund_form(services, trade, standing, made)
    else:
        refund_form(services, trade, standing, made)


def _amounts(services: Services, standing: Standing) -> None:
    say, language = services.say, services.language
    shown = {
        "Paid by the buyer": standing.paid_fen, "Refunded": standing.refunded_fen,
        "Set aside": standing.set_aside_fen, "Can still be refunded": standing.remaining_fen,
    }
    with st.container(key="cards-refund"):
        for column, (label, fen) in zip(st.columns(4), shown.items(), strict=True):
            column.metric(say(label), money(fen, language), border=True)


def _second_person(services: Services, standing: Standing) -> list[str]:
    """From where on a second person approves, with what of this order went out without one."""
    say, language = services.say, services.language
    bound, alone = standing.approval_above_fen, standing.unapproved_most_fen
    if bound is None or alone is None:
        return []
    if alone == bound:
        return [say("Above {amount} a second person approves.", amount=money(bound, language))]
    return [say(
        "A second person approves what goes above {amount} of one order in all; {left} of it are left.",
        amount=money(bound, language), left=money(alone, language),
    )]


def _rules(services: Services, standing: Standing) -> None:
    """What the rules and this person's limits leave, in one line, before anything is clicked."""
    say, language = services.say, services.language
    told = []
    if standing.most_fen < standing.remaining_fen:
        most = money(standing.most_fen, language)
        told.append(say("You can refund up to {amount} here.", amount=most))
    told += _second_person(services, standing)
    if standing.window_ends_at is not None:
        ends = instant(standing.window_ends_at, services.timezone)
        told.append(say("Possible until {at}.", at=ends))
    if standing.count_left is not None:
        left = number(standing.count_left, language)
        told.append(say("{count} more refunds of this order.", count=left))
    if told:
        st.caption(" ".join(told))

"""Requests that a second person must approve: exactly what is approved, and by whom it may be."""

from __future__ import annotations

import streamlit as st

from dashboard.operations.refunds import Refund
from dashboard.refund_desk import age_s
from dashboard.screens import parts
from dashboard.screens.acting import act, said
from dashboard.screens.bar import View
from dashboard.screens.refund_progress import progress
from dashboard.services import Services
from dashboard.wording.formats import instant, money, plain, seconds
from dashboard.wording.tables import word
from loaders.errors import MdashError


def approvals(services: Services, _view: View) -> None:
    """The queue, the oldest first."""
    say = services.say
    said(services, "approvals")
    _decided(services)
    found = services.refund_desk.waiting()
    if not found:
        st.success(say("Nothing waits for approval."), icon=":material/check_circle:")
        return
    for refund in found:
        with st.container(border=True, key=f"approve-{refund.refund_no}"):
            _one(services, refund)


def _one(services: Services, refund: Refund) -> None:
    say = services.say
    amount = money(refund.amount_fen, services.language)
    age = seconds(age_s(refund.requested_at), services.language)
    st.markdown(say(
        "**{amount}** of order **{order}** · {reason}",
        amount=plain(amount), order=plain(refund.order_no), reason=plain(refund.reason),
    ))
    st.caption(say(
        "Asked for by {name}, {age} ago ({at}). {trade}", name=plain(refund.requested_by),
        age=age, at=instant(refund.requested_at, services.timezone), trade=_trade(services, refund),
    ))
    why_not = services.refund_desk.why_not_approve(refund)
    if why_not is not None:
        st.info(say(why_not.template, **why_not.values), icon=":material/block:")
    if services.refund_desk.why_not_decline(refund) is None:
        _decide(services, refund, amount, may_approve=why_not is None)
    parts.trade_link(services, refund.order_no)


def _trade(services: Services, refund: Refund) -> str:
    """The trade behind the request, in one sentence; or why it cannot be read."""
    say = services.say
    try:
        trade = services.trade(refund.channel, refund.order_no)
    except MdashError as error:
        return say(error.template, **error.values)
    return say(
        "The order: {amount}, {outcome}, paid {at}; refunded so far {refunded}.",
        amount=plain(money(trade["amount_fen"], services.language)),
        outcome=word(trade["outcome"], say), at=instant(trade["paid_at"], services.timezone),
        refunded=plain(money(trade["refunded_fen"], services.language)),
    )


def _decide(services: Services, refund: Refund, amount: str, *, may_approve: bool) -> None:
    """Approve or decline exactly what is drawn here: the buttons carry its hash."""
    say, desk, no = services.say, services.refund_desk, refund.refund_no
    seen = desk.digest(refund)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if may_approve:
            st.button(
                say("Approve {amount}", amount=amount), key=f"yes-{no}", type="primary",
                icon=":material/check:", on_click=act,
                args=("approvals", lambda: _keep(desk.approve(no, seen))),
            )
        with st.popover(say("Decline"), icon=":material/block:"), st.form(f"no-{no}", border=False):
            st.text_input(say("Why it is declined"), key=f"why-{no}", max_chars=200)
            st.form_submit_button(
                say("Decline {amount}", amount=amount), on_click=_decline, args=(services, no)
            )
    st.caption(say("Hash of this request: {digest}", digest=f"`{seen[:16]}`"))


def _decline(services: Services, number: str) -> None:
    reason = str(st.session_state.get(f"why-{number}") or "")
    act("approvals", lambda: _keep(services.refund_desk.decline(number, reason)))


def _keep(refund: Refund) -> None:
    st.session_state["decided"] = refund.refund_no


def _decided(services: Services) -> None:
    """What became of the request that was decided last in this tab."""
    if "decided" in st.session_state:
        refund = services.refund_desk.one(st.session_state["decided"])
        progress(services, [refund])

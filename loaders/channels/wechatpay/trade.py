"""Asking WeChat Pay about trades and refunds: messages, and what is made of the replies.

Source: documents of API v3 on 查询订单, 关闭订单, 申请退款 and 查询单笔退款.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from loaders.channels.protocol import Call, Message, Reply, Stamp
from loaders.channels.wechatpay import account, codes, meanings, payments
from loaders.channels.wechatpay.account import BILL_TERMS
from loaders.channels.wechatpay.codes import CLOSE, QUERY, REFUND, REFUND_QUERY
from loaders.channels.wechatpay.credentials import Credentials, concerns, read_keys
from loaders.channels.wechatpay.meanings import bare
from loaders.channels.wechatpay.replies import NO_ANSWER, Node, Reading, named, ours, read, same
from loaders.channels.wechatpay.requests import (
    download_headers,
    fen,
    message,
    order_number,
    segment,
    text_of,
)
from loaders.errors import RefusedInput
from loaders.records import (
    Answer,
    CloseState,
    CodeMeaning,
    Outcome,
    RefundOrder,
    RefundState,
    TradeOutcome,
    TradeQuestion,
    TradeState,
)

__all__ = ["BILL_TERMS", "CALLS", "concerns", "download_headers", "read_keys"]

OTHER_AMOUNT = "The reply is about another amount than was asked about."
_TRANSACTIONS = "/v3/pay/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
_StateName = Literal["done", "accepted", "absent", "closed", "stuck"]
_OPEN_STATES = frozenset({"NOTPAY", "USERPAYING", "ACCEPT"})


def _ids(asked: TradeQuestion | RefundOrder) -> dict[str, str]:
    return {"out_trade_no": asked.order_no, "transaction_id": asked.trade_no}


def ask_query(question: TradeQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask how a trade stands; by the channel's own number where only that is known."""
    if question.order_no:
        number = segment(order_number("order_no", question.order_no))
        path = f"{_TRANSACTIONS}/out-trade-no/{number}"
    elif question.trade_no:
        number = segment(order_number("trade_no", question.trade_no))
        path = f"{_TRANSACTIONS}/id/{number}"
    else:
        raise RefusedInput("Name the order or the trade.")
    path += f"?mchid={segment(keys.mchid)}"
    return message(QUERY, "GET", path, keys, stamp, noted=_ids(question), may_repeat=True)


def read_query(reply: Reply, question: TradeQuestion, keys: Credentials) -> Answer[TradeState]:
    """How a trade stands. A trade that does not exist (yet) is unpaid."""

    def state(node: Node) -> Reading[TradeState]:
        named(node, _ids(question))
        ours(node, keys)
        amount, status = node.fen("total"), node.text("trade_state")
        if None not in (amount, question.amount_fen) and amount != question.amount_fen:
            raise RefusedInput(OTHER_AMOUNT)
        outcome = _outcome(status)
        if outcome == "paid" and amount is None:
            raise RefusedInput(OTHER_AMOUNT)
        return Reading(_trade(node, outcome, status, amount))

    absent = TradeState(question.order_no, question.trade_no or None, "unpaid")
    return read(reply, QUERY, keys, state, {bare("ORDER_NOT_EXIST"): Reading(absent)})


def _trade(
    node: Node, outcome: TradeOutcome, status: str | None, amount_fen: int | None
) -> TradeState:
    is_paid = outcome == "paid"
    return TradeState(
        order_no=node.text("out_trade_no") or "",
        trade_no=node.text("transaction_id"),
        outcome=outcome,
        status=status,
        amount_fen=amount_fen,
        received_fen=amount_fen if is_paid else None,
        payer_paid_fen=node.fen("payer_total") if is_paid else None,
        paid_at=node.instant("success_time") if is_paid else None,
        payer_id=node.child("payer").text("openid"),
    )


def _outcome(status: str | None) -> TradeOutcome:
    if status in codes.PAID_STATES:
        return "paid"
    if status in codes.CLOSED_STATES:
        return "closed"
    if status in _OPEN_STATES:
        return "unpaid"
    raise RefusedInput("The reply names a trade status unknown to this program.")


def ask_refund(order: RefundOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask for a refund. It moves money: only the same number and amount may be sent again."""
    if not order.refund_no:
        raise RefusedInput("A refund needs a number.")
    if order.total_fen is None:
        raise RefusedInput("WeChat Pay refunds only with the trade's amount: query the trade first.")
    if not order.order_no and not order.trade_no:
        raise RefusedInput("Name the order or the trade.")
    content = {
        "transaction_id": order.trade_no,
        "out_trade_no": "" if order.trade_no else order_number("order_no", order.order_no),
        "out_refund_no": order_number("refund_no", order.refund_no, 64),
        "reason": text_of("reason", order.reason, 80),
        "amount": {
            "refund": fen(order.amount_fen), "total": fen(order.total_fen), "currency": "CNY",
        },
    }
    noted = {**_ids(order), "out_refund_no": order.refund_no}
    return message(
        REFUND, "POST", _REFUNDS, keys, stamp, content, noted=noted, moves_money=True
    )


def read_refund(reply: Reply, order: RefundOrder, keys: Credentials) -> Answer[RefundState]:
    """What became of a refund: at first it is being worked on, and only SUCCESS proves it."""
    return read(reply, REFUND, keys, lambda node: _refund(node, order))


def ask_refund_query(order: RefundOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask what became of a refund; best a minute after it was sent."""
    number = segment(order_number("refund_no", order.refund_no, 64))
    noted = {**_ids(order), "out_refund_no": order.refund_no}
    return message(
        REFUND_QUERY, "GET", f"{_REFUNDS}/{number}", keys, stamp, noted=noted, may_repeat=True
    )


def read_refund_query(reply: Reply, order: RefundOrder, keys: Credentials) -> Answer[RefundState]:
    """What became of a refund. That the channel knows none proves nothing so soon."""
    absent = RefundState(order.refund_no, order.order_no, order.trade_no or None, "absent")
    return read(
        reply, REFUND_QUERY, keys, lambda node: _refund(node, order),
        {bare("RESOURCE_NOT_EXISTS"): Reading(absent, is_known=False)},
    )


def _refund(node: Node, order: RefundOrder) -> Reading[RefundState]:
    """A refund as the channel tells it: SUCCESS is proof, CLOSED that nothing moved."""
    named(node, {"out_refund_no": order.refund_no})
    for name, value in _ids(order).items():
        same(node, name, value)
    status = node.text("status")
    if node.fen("refund") != order.amount_fen:
        raise RefusedInput(OTHER_AMOUNT)
    if None not in (order.total_fen, node.fen("total")) and node.fen("total") != order.total_fen:
        raise RefusedInput(OTHER_AMOUNT)
    if status == "SUCCESS":
        return Reading(_refund_state(node, order, "done"))
    row = meanings.REFUND_STATES.get(status or "")
    if row is None:
        raise RefusedInput("The reply names a refund status unknown to this program.")
    state: RefundState = _refund_state(node, order, _STATES[status or ""])
    outcome = Outcome(None, None, None, known=row.is_known)
    told = CodeMeaning(row.text, row.action, outcome, row.is_known, may_repeat=False)
    return Reading(state, is_known=row.is_known, is_success=False, meaning=told)


_STATES: Mapping[str, _StateName] = {
    "PROCESSING": "accepted", "CLOSED": "closed", "ABNORMAL": "stuck",
}


def _refund_state(node: Node, order: RefundOrder, state: _StateName) -> RefundState:
    is_done = state == "done"
    return RefundState(
        refund_no=order.refund_no,
        order_no=node.text("out_trade_no") or order.order_no,
        trade_no=node.text("transaction_id"),
        state=state,
        amount_fen=order.amount_fen if is_done else None,
        refunded_at=node.instant("success_time") if is_done else None,
    )


def ask_close(question: TradeQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask to close an unpaid trade."""
    number = order_number("order_no", question.order_no)
    path = f"{_TRANSACTIONS}/out-trade-no/{segment(number)}/close"
    return message(
        CLOSE, "POST", path, keys, stamp, {"mchid": keys.mchid}, noted=_ids(question),
        may_repeat=True,
    )


def read_close(reply: Reply, question: TradeQuestion, keys: Credentials) -> Answer[CloseState]:
    """Whether the trade is closed. One the channel never knew has nothing to close."""

    def state(node: Node) -> Reading[CloseState]:
        if node.fields:
            raise RefusedInput(NO_ANSWER)
        return Reading(CloseState(question.order_no, question.trade_no or None, "closed"))

    closed = CloseState(question.order_no, question.trade_no or None, "closed")
    absent = CloseState(question.order_no, question.trade_no or None, "nothing")
    return read(reply, CLOSE, keys, state, {
        bare("ORDER_CLOSED"): Reading(closed), bare("ORDER_NOT_EXIST"): Reading(absent),
    })


CALLS: Mapping[str, Call] = {
    "query": Call(TradeQuestion, ask_query, read_query),
    "refund": Call(RefundOrder, ask_refund, read_refund),
    "refund_query": Call(RefundOrder, ask_refund_query, read_refund_query),
    "close": Call(TradeQuestion, ask_close, read_close),
    **payments.CALLS,
    **account.CALLS,
}

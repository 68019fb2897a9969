"""Asking Alipay about trades and refunds: messages, and what is made of the replies.

Source: open-platform documents of alipay.trade.query, refund, fastpay.refund.query, close, cancel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from loaders.channels.alipay import account, codes, payments, splits
from loaders.channels.alipay.credentials import Credentials, concerns, read_keys
from loaders.channels.alipay.replies import (
    Node,
    Reading,
    masked_logon,
    named,
    read,
)
from loaders.channels.alipay.requests import checked, message, which_trade, yuan
from loaders.channels.protocol import Call, Message, Reply, Stamp
from loaders.errors import RefusedInput
from loaders.records import (
    Answer,
    BillTerms,
    CloseState,
    RefundOrder,
    RefundState,
    TradeOutcome,
    TradeQuestion,
    TradeState,
)

__all__ = ["BILL_TERMS", "CALLS", "concerns", "download_headers", "read_keys"]

QUERY = "alipay.trade.query"
REFUND = "alipay.trade.refund"
REFUND_QUERY = "alipay.trade.fastpay.refund.query"
CLOSE = "alipay.trade.close"
CANCEL = "alipay.trade.cancel"
_ACTIONS: Mapping[str | None, Literal["closed", "refunded", "nothing"]] = {
    "close": "closed", "refund": "refunded", None: "nothing",
}
BILL_TERMS = BillTerms(kept_days=6 * 365, has_months=True)
OTHER_AMOUNT = "The reply is about another amount than was asked about."


def download_headers(url: str, keys: Credentials, stamp: Stamp) -> Mapping[str, str]:
    """None: the address itself is the permission."""
    del url, keys, stamp
    return {}


def ask_query(question: TradeQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask how a trade stands."""
    content = which_trade(question.order_no, question.trade_no)
    return message(
        QUERY, {**content, "query_options": ["fund_bill_list"]}, keys, stamp, may_repeat=True
    )


def read_query(reply: Reply, question: TradeQuestion, keys: Credentials) -> Answer[TradeState]:
    """How a trade stands. A trade that does not exist (yet) is unpaid."""

    def state(node: Node) -> Reading[TradeState]:
        named(node, _ids(question))
        amount = node.fen("total_amount")
        if amount is None or question.amount_fen not in (None, amount):
            raise RefusedInput(OTHER_AMOUNT)
        return _trade(node, amount), True

    absent = TradeState(question.order_no, question.trade_no or None, "unpaid")
    return read(reply, QUERY, keys, state, _ids(question), {"TRADE_NOT_EXIST": absent})


def _ids(asked: TradeQuestion | RefundOrder) -> dict[str, str]:
    return {"out_trade_no": asked.order_no, "trade_no": asked.trade_no}


def _trade(node: Node, amount_fen: int) -> TradeState:
    received, payer_paid = node.fen("receipt_amount"), node.fen("buyer_pay_amount")
    paid_at = node.instant("send_pay_date")
    was_paid = paid_at is not None or bool(received) or bool(payer_paid)
    return TradeState(
        order_no=node.text("out_trade_no") or "",
        trade_no=node.text("trade_no"),
        outcome=_outcome(node.text("trade_status"), was_paid),
        status=node.text("trade_status"),
        amount_fen=amount_fen,
        received_fen=received,
        payer_paid_fen=payer_paid,
        paid_at=paid_at,
        payer_id=node.text("buyer_user_id") or node.text("buyer_open_id"),
        payer_logon=masked_logon(node.text("buyer_logon_id")),
        store=node.text("store_id"),
        funds=node.funds("fund_bill_list"),
    )


def _outcome(status: str | None, was_paid: bool) -> TradeOutcome:
    if status in codes.PAID_STATUSES:
        return "paid"
    if status == codes.CLOSED_STATUS:
        return "refunded" if was_paid else "closed"
    if status == "WAIT_BUYER_PAY":
        return "unpaid"
    raise RefusedInput("The reply names a trade status unknown to this program.")


def ask_refund(order: RefundOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask for a refund. It moves money: only the same number and amount may be sent again."""
    if not order.refund_no:
        raise RefusedInput("A refund needs a number.")
    content = {
        **which_trade(order.order_no, order.trade_no),
        "refund_amount": yuan(order.amount_fen),
        "out_request_no": checked("refund_no", order.refund_no, 64),
        "refund_reason": checked("reason", order.reason, 256),
    }
    return message(REFUND, content, keys, stamp, moves_money=True)


def read_refund(reply: Reply, order: RefundOrder, keys: Credentials) -> Answer[RefundState]:
    """What became of a refund. Done only if the channel says that money moved now (`fund_change`),
    and its refunded total is what it must be; otherwise ask the refund query.
    """

    def state(node: Node) -> Reading[RefundState]:
        named(node, _ids(order))
        total = node.fen("refund_fee")
        is_done = node.text("fund_change") == "Y"
        if is_done:
            _check_total(order, total, node.fen("send_back_fee"))
        return RefundState(
            refund_no=order.refund_no,
            order_no=node.text("out_trade_no") or order.order_no,
            trade_no=node.text("trade_no"),
            state="done" if is_done else "accepted",
            amount_fen=order.amount_fen if is_done else None,
            refunded_total_fen=total,
            refunded_at=node.instant("gmt_refund_pay"),
            funds=node.funds("refund_detail_item_list"),
        ), is_done

    return read(reply, REFUND, keys, state, _ids(order) | {"out_request_no": order.refund_no})


def _check_total(order: RefundOrder, total_fen: int | None, sent_back_fen: int | None) -> None:
    """`refund_fee` is the trade's refunded total, this refund included."""
    before = order.refunded_before_fen
    is_right = total_fen is not None and (
        total_fen >= order.amount_fen if before is None else total_fen == before + order.amount_fen
    )
    too_much = order.total_fen is not None and (total_fen or 0) > order.total_fen
    if not is_right or too_much or (sent_back_fen or 0) > order.amount_fen:
        raise RefusedInput(OTHER_AMOUNT)


def ask_refund_query(order: RefundOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask what became of a refund; best 10 s or more after it was sent."""
    content = {
        **which_trade(order.order_no, order.trade_no),
        "out_request_no": checked("refund_no", order.refund_no, 64),
        "query_options": ["gmt_refund_pay", "deposit_back_info", "refund_detail_item_list"],
    }
    return message(REFUND_QUERY, content, keys, stamp, may_repeat=True)


def read_refund_query(reply: Reply, order: RefundOrder, keys: Credentials) -> Answer[RefundState]:
    """What became of a refund. Without REFUND_SUCCESS nothing is proven: not received, failed, or
    asked too soon.
    """

    def state(node: Node) -> Reading[RefundState]:
        status, amount = node.text("refund_status"), node.fen("refund_amount")
        if status is not None:
            named(node, _ids(order))
            named(node, {"out_request_no": order.refund_no})
            if status != "REFUND_SUCCESS":
                raise RefusedInput("The reply names a refund status unknown to this program.")
            if amount != order.amount_fen:
                raise RefusedInput(OTHER_AMOUNT)
        return RefundState(
            refund_no=order.refund_no,
            order_no=node.text("out_trade_no") or order.order_no,
            trade_no=node.text("trade_no"),
            state="done" if status else "absent",
            amount_fen=amount if status else None,
            refunded_at=node.instant("gmt_refund_pay"),
            bank_state=node.child("deposit_back_info").text("dback_status"),
            funds=node.funds("refund_detail_item_list"),
        ), status is not None

    absent = RefundState(order.refund_no, order.order_no, order.trade_no or None, "absent")
    return read(
        reply, REFUND_QUERY, keys, state, _ids(order) | {"out_request_no": order.refund_no},
        {"TRADE_NOT_EXIST": absent},
    )


def ask_close(question: TradeQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask to close an unpaid trade."""
    content = which_trade(question.order_no, question.trade_no)
    return message(CLOSE, content, keys, stamp, may_repeat=True)


def read_close(reply: Reply, question: TradeQuestion, keys: Credentials) -> Answer[CloseState]:
    """Whether the trade is closed. One the channel never knew has nothing to close."""

    def state(node: Node) -> Reading[CloseState]:
        named(node, _ids(question))
        order_no = node.text("out_trade_no") or question.order_no
        return CloseState(order_no, node.text("trade_no"), "closed"), True

    absent = CloseState(question.order_no, question.trade_no or None, "nothing")
    return read(reply, CLOSE, keys, state, _ids(question), {"TRADE_NOT_EXIST": absent})


def ask_cancel(question: TradeQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask to cancel a payment whose outcome stayed unknown. It may give money back."""
    content = which_trade(question.order_no, question.trade_no)
    return message(CANCEL, content, keys, stamp, moves_money=True)


def read_cancel(reply: Reply, question: TradeQuestion, keys: Credentials) -> Answer[CloseState]:
    """What cancelling did; with retry_flag Y it has to be asked again."""

    def state(node: Node) -> Reading[CloseState]:
        named(node, _ids(question))
        action = node.text("action")
        if action not in _ACTIONS:
            raise RefusedInput("The reply names an action unknown to this program.")
        return CloseState(
            order_no=node.text("out_trade_no") or question.order_no,
            trade_no=node.text("trade_no"),
            action=_ACTIONS[action],
        ), node.text("retry_flag") != "Y"

    return read(reply, CANCEL, keys, state, _ids(question))


CALLS: Mapping[str, Call] = {
    "query": Call(TradeQuestion, ask_query, read_query),
    "refund": Call(RefundOrder, ask_refund, read_refund),
    "refund_query": Call(RefundOrder, ask_refund_query, read_refund_query),
    "close": Call(TradeQuestion, ask_close, read_close),
    "cancel": Call(TradeQuestion, ask_cancel, read_cancel),
    **payments.CALLS,
    **splits.CALLS,
    **account.CALLS,
}

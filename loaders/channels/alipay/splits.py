"""Splitting an Alipay trade's money among receivers (分账), and asking how a split fared.

Source: open-platform documents of alipay.trade.order.settle and order.settle.query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loaders.channels.alipay.credentials import Credentials
from loaders.channels.alipay.replies import Node, Reading, named, read
from loaders.channels.alipay.requests import checked, message, yuan
from loaders.channels.protocol import Call, Message, Reply, Stamp
from loaders.errors import RefusedInput
from loaders.exchange import Share, SharePaid, SplitOrder, SplitQuestion, SplitState
from loaders.records import Answer

SPLIT, SPLIT_QUERY = "alipay.trade.order.settle", "alipay.trade.order.settle.query"
_STATES = ("SUCCESS", "FAIL", "PROCESSING")


def ask_split(order: SplitOrder, keys: Credentials, stamp: Stamp) -> Message:
    """Ask to split a paid trade. It moves money."""
    if not order.split_no or not order.trade_no:
        raise RefusedInput("A split needs its own number and the trade's.")
    if not order.shares and not order.is_last:
        raise RefusedInput("A split needs receivers.")
    content = {
        "out_request_no": checked("split_no", order.split_no, 64),
        "trade_no": checked("trade_no", order.trade_no, 64),
        "royalty_parameters": [_share(item) for item in order.shares],
        "operator_id": checked("operator", order.operator, 64),
        "royalty_mode": "async" if order.is_async else "",
        "extend_params": {"royalty_finish": "true"} if order.is_last else {},
    }
    return message(SPLIT, content, keys, stamp, moves_money=True)


def _share(share: Share) -> dict[str, Any]:
    fields = {
        "royalty_type": "transfer",
        "trans_in_type": share.receiver_type,
        "trans_in": share.receiver,
        "trans_in_name": share.receiver_name,
        "trans_out_type": share.payer_type,
        "trans_out": share.payer,
        "amount": yuan(share.amount_fen),
        "royalty_scene": share.scene,
        "desc": share.note,
    }
    return {name: checked(name, value, 1000) for name, value in fields.items() if value}


def read_split(reply: Reply, order: SplitOrder, keys: Credentials) -> Answer[SplitState]:
    """That a split was taken on; an asynchronous one is settled by its query."""

    def state(node: Node) -> Reading[SplitState]:
        named(node, {"trade_no": order.trade_no})
        settle_no = node.text("settle_no")
        return SplitState(order.split_no, settle_no, order.trade_no), (
            settle_no is not None and not order.is_async
        )

    return read(reply, SPLIT, keys, state, {"trade_no": order.trade_no})


def ask_split_query(question: SplitQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask how a split fared."""
    if not question.settle_no and not (question.trade_no and question.split_no):
        raise RefusedInput("Name the split: its settle_no, or the trade and the split's number.")
    content = {
        "settle_no": checked("settle_no", question.settle_no, 64),
        "trade_no": checked("trade_no", question.trade_no, 64),
        "out_request_no": checked("split_no", question.split_no, 64),
    }
    return message(SPLIT_QUERY, content, keys, stamp, may_repeat=True)


def read_split_query(
    reply: Reply, question: SplitQuestion, keys: Credentials
) -> Answer[SplitState]:
    """How each share fared; settled once none is under way."""

    def state(node: Node) -> Reading[SplitState]:
        if question.split_no:
            named(node, {"out_request_no": question.split_no})
        shares = tuple(_paid(item) for item in node.items("royalty_detail_list"))
        is_known = bool(shares) and all(item.state != "PROCESSING" for item in shares)
        return SplitState(
            split_no=node.text("out_request_no"),
            settle_no=question.settle_no or None,
            trade_no=question.trade_no or None,
            shares=shares,
        ), is_known

    return read(reply, SPLIT_QUERY, keys, state, {"out_request_no": question.split_no})


def _paid(node: Node) -> SharePaid:
    state = node.text("state") or ""
    if state not in _STATES:
        raise RefusedInput("The reply names a split state unknown to this program.")
    return SharePaid(
        state=state,
        amount_fen=node.fen("amount") or 0,
        receiver=node.text("trans_in_open_id") or node.text("trans_in"),
        kind=node.text("operation_type"),
        detail_no=node.text("detail_id"),
        error_code=node.text("error_code"),
        done_at=node.instant("execute_dt"),
    )


CALLS: Mapping[str, Call] = {
    "split": Call(SplitOrder, ask_split, read_split),
    "split_query": Call(SplitQuestion, ask_split_query, read_split_query),
}

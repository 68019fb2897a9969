"""The sample merchant's orders as the channel knows them."""

from __future__ import annotations

from datetime import datetime

from sample_data.files import Line
from sample_data.gateway import ledger
from sample_data.gateway.ledger import CLOSED, FINISHED, SUCCESS, Ledger, Trade
from sample_data.merchant import Merchant, Order

_NEVER_ARRIVED = ("merchant_config", "timeout_unknown")


def seed(book: Ledger, merchant: Merchant, now: datetime) -> None:
    """Fill the ledger with what became of the merchant's orders by `now`."""
    for order in merchant.orders():
        if order.is_paid:
            book.adopt(_paid(order, now))
        elif _reached(order):
            book.adopt(_unpaid(order))


def _reached(order: Order) -> bool:
    return order.outcome not in _NEVER_ARRIVED and any(
        attempt.reached and attempt.code is not None for attempt in order.attempts
    )


def _trade(order: Order) -> Trade:
    return Trade(
        order_no=order.order_no, trade_no=order.trade_no, amount_fen=order.amount_fen,
        created_at=order.created_at.replace(microsecond=0), subject=order.items[0][1],
        product=order.product, buyer=order.buyer, store=order.store or "",
        expires_at=order.due_at.replace(microsecond=0),
    )


def _paid(order: Order, now: datetime) -> Trade:
    trade = _trade(order)
    assert order.paid_at is not None
    trade.paid_at, trade.fee_fen, trade.status = order.paid_at, order.fee_fen, SUCCESS
    trade.refunds = [
        ledger.Refund(refund.number, refund.amount_fen, -Line(order, refund).fee_fen, refund.done_at)
        for refund in order.refunds
    ]
    if trade.refunded_fen == trade.amount_fen:
        trade.status, trade.closed_at = CLOSED, trade.refunds[-1].at
    elif now - trade.paid_at > ledger.REFUND_WINDOW:
        trade.status = FINISHED
    return trade


def _unpaid(order: Order) -> Trade:
    trade = _trade(order)
    trade.status = CLOSED
    trade.closed_at = (order.closed_at or order.due_at).replace(microsecond=0)
    return trade

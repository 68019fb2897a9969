"""What cancelled payments set aside: a cancellation may give a whole payment back."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from dashboard.operations.policy import Order
from dashboard.operations.refund_tables import CANCELLATIONS


def counted(connection: Connection, order: Order) -> Order:
    """The order with what its cancellation gave back, or may yet give back, among its refunds."""
    row = connection.execute(
        select(CANCELLATIONS.c.cancel_no).where(
            CANCELLATIONS.c.channel == order.channel,
            CANCELLATIONS.c.order_no == order.order_no,
            CANCELLATIONS.c.state.in_(("submitting", "unknown"))
            | (CANCELLATIONS.c.action == "refunded"),
        )
    ).first()
    if row is None:
        return order
    return replace(order, refunds={**order.refunds, order.order_no: order.amount_fen})

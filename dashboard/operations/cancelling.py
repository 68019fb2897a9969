"""What cancelled payments set aside: a cancellation may give a whole payment back."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from dashboard.operations.policy import Order
from dashboard.operations.refund_tables import CANCELLATIONS

OPEN = ("submitting", "unknown")
"""States of a cancellation whose outcome nobody knows."""


def counted(connection: Connection, order: Order) -> Order:
    """The order with what its cancellation gave back among its refunds, or may yet give back aside."""
    rows = connection.execute(
        select(CANCELLATIONS.c.state, CANCELLATIONS.c.action).where(
            CANCELLATIONS.c.channel == order.channel, CANCELLATIONS.c.order_no == order.order_no
        )
    ).all()
    if any(row.action == "refunded" for row in rows):
        return replace(order, refunds={**order.refunds, order.order_no: order.amount_fen})
    if any(row.state in OPEN for row in rows):
        return replace(order, cancelling_fen=max(order.amount_fen - sum(order.refunds.values()), 0))
    return order

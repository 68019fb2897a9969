"""Sales: money in, money back, and the buyers who paid."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from loaders.store.reader import Row

PEOPLE = ("checkout_log", "notification_log")


def _answer(asked: Asked) -> list[Row]:
    if not asked.loaded & {"notification_log", "trade_bill"}:
        return []
    question = asked.question
    rows = asked.rows(
        filled("sales", question, paid_dims=question.dims(hour="shop_hour(paid_at)"))
    )
    for row in rows:
        row["average_order_fen"] = round(row["paid_fen"] / row["paid"]) if row["paid"] else None
        if "checkout_log" not in asked.loaded:
            row["orders"] = None
        if not asked.loaded & set(PEOPLE):
            row["buyers"] = None
    return rows


METRIC = Metric(
    name="sales",
    title="Sales",
    version=2,
    definition=(
        "Orders on the day they were created; payments and their amount on the day the channel says"
        " they were paid; refunds on their own day, from when the channel accepted them; those"
        " that failed or got stuck are none. Buyers are those who paid. The average is the paid amount ÷"
        " payments, to the whole fen."
    ),
    needs=(("notification_log", "trade_bill"), ("checkout_log",)),
    fields=(
        "orders", "paid", "paid_fen", "refunds", "refunded_fen", "buyers", "average_order_fen",
    ),
    answer=_answer,
)

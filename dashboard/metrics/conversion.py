"""Order conversion: of the orders that had their time, how many were paid in it."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.intervals import ratio, wilson
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    if "checkout_log" not in asked.loaded:
        return []
    rows = asked.rows(filled("conversion", asked.question))
    for row in rows:
        if not asked.knows_payments:
            row["paid"] = None
            continue
        row["rate"] = ratio(row["paid"], row["matured"])
        row["low"], row["high"] = wilson(row["paid"], row["matured"])
    return rows


METRIC = Metric(
    name="conversion",
    title="Order conversion",
    version=1,
    definition=(
        "Orders paid by their expiry ÷ orders whose expiry has passed (24 hours where none is set)."
        " Younger orders are open, not lost. By the day the order was created; interval Wilson 95 %."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=("orders", "open", "matured", "paid", "rate", "low", "high"),
    answer=_answer,
)

"""Payment success: of the orders that reached the channel, how many a payment succeeded for."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.intervals import ratio, wilson
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    if "checkout_log" not in asked.loaded or not asked.knows_payments:
        return []
    rows = asked.rows(filled("payment_success", asked.question))
    for row in rows:
        row["rate"] = ratio(row["succeeded"], row["orders"])
        row["low"], row["high"] = wilson(row["succeeded"], row["orders"])
        row["first_attempt_rate"] = ratio(row["first_succeeded"], row["orders"])
        row["recovery_rate"] = ratio(row["recovered"], row["first_failed"])
    return rows


METRIC = Metric(
    name="payment_success",
    title="Payment success",
    version=1,
    definition=(
        "Orders with a successful attempt ÷ orders with a final attempt that reached the channel."
        " Orders abandoned before the channel are left out; retries of one order count once."
        " First attempt: attempt 1 succeeded. Recovery: paid on attempt 2 or later ÷ attempt 1 failed."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=("orders", "succeeded", "rate", "low", "high", "first_attempt_rate", "recovery_rate"),
    answer=_answer,
)

"""Refund rate: of the orders paid, how many were refunded within 30 days."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.intervals import ratio, wilson
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    question = asked.question
    rows = asked.rows(
        filled("refund_rate", question, trade_dims=question.dims(hour="shop_hour(created_at)"))
    )
    for row in rows:
        shown = bool(row["mature"])
        row["rate"] = ratio(row["refunded"], row["paid"]) if shown else None
        row["low"], row["high"] = wilson(row["refunded"], row["paid"]) if shown else (None, None)
    return rows


METRIC = Metric(
    name="refund_rate",
    title="Refund rate",
    version=1,
    definition=(
        "Cohort view: orders refunded (in part or whole) within 30 days of payment ÷ orders paid,"
        " for orders created in the period. Shown once 30 days have passed since the last of these"
        " payments."
    ),
    needs=(("trade_bill", "notification_log"),),
    fields=("paid", "refunded", "rate", "low", "high", "mature"),
    answer=_answer,
)

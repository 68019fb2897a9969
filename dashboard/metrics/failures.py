"""Failures: why attempts failed, where, and what that lost."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    if "checkout_log" not in asked.loaded:
        return []
    rows = asked.rows(filled("failures", asked.question))
    if not asked.knows_payments:
        rows = [row | {"orders": None, "lost_fen": None} for row in rows]
    return rows


METRIC = Metric(
    name="failures",
    title="Failures",
    version=1,
    definition=(
        "Attempts: how many failed with this code. Orders and lost value: matured orders that were"
        " never paid and whose last failure it was, counted once per order. Codes as the channel"
        " wrote them; a code without a class is unmapped, not hidden."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=("source", "stage", "reason", "code", "orders", "attempts", "lost_fen"),
    answer=_answer,
)

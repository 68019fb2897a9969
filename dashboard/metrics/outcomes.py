"""Outcomes: what became of every matured order, in classes that add up."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from loaders.store.reader import Row

CLASSES = (
    "paid", "paid_late", "closed_by_merchant", "risk_rejected", "insufficient_funds",
    "limit_exceeded", "payer_restricted", "credential_invalid", "merchant_config",
    "channel_error", "timeout_unknown", "user_cancelled", "user_abandoned", "unmapped",
)


def _answer(asked: Asked) -> list[Row]:
    if "checkout_log" not in asked.loaded or not asked.knows_payments:
        return []
    return asked.rows(filled("outcomes", asked.question))


METRIC = Metric(
    name="outcomes",
    title="Outcomes",
    version=1,
    definition=(
        "Every matured order in exactly one class, the first that fits: paid, closed by the"
        " merchant, rejected by risk control, insufficient funds, limit exceeded, payer restricted,"
        " credential invalid, merchant configuration, channel error, unknown, cancelled, abandoned,"
        " unmapped. Paid after expiry is a class of its own."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=("outcome", "orders", "amount_fen"),
    answer=_answer,
)

"""Reconciliation: what we were told and asked for, against the channel's trade bill."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.reconciled import DIMENSIONS, classes
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    return classes(asked, "trade_bill")


METRIC = Metric(
    name="reconciliation",
    title="Reconciliation",
    version=2,
    definition=(
        "Ours (payments told by notification or query, refunds told or made) against the trade bill, "
        "each payment and refund in the first class that fits. Bill missing: ours, and of its day the "
        "bill of a merchant number in use is not loaded. Matched: same amount and day. Across days: "
        "same amount, a day apart. Amount mismatch: bill − ours. Status mismatch: on the bill, and "
        "our order does not know it is paid, or our refund that it was made. Currency mismatch: the "
        "bill is not in yuan. Duplicate: the same order once more. Short: ours, not on its day's "
        "bill. Long: on the bill, unknown to us. Fee mismatch: the account bill charged another fee "
        "than the trade bill. Refunds count negative. By the bill's day; ours alone by its own day."
    ),
    needs=(("trade_bill",), ("notification_log",)),
    fields=("class", "items", "amount_fen"),
    answer=_answer,
    dimensions=DIMENSIONS,
)

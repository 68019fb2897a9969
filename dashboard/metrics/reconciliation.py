"""Reconciliation: what we were told and asked for, against the channel's trade bill."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.reconciled import DIMENSIONS, classes
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    if not {"trade_bill", "notification_log"} <= asked.loaded:
        return []
    return classes(asked, "trade_bill")


METRIC = Metric(
    name="reconciliation",
    title="Reconciliation",
    version=1,
    definition=(
        "Ours (payments told by notification or query, refunds told or asked for) against the trade"
        " bill, each payment and refund in exactly one class. Matched: same amount and day. Across"
        " days: same amount, a day apart. Pending: ours, and the next day's bill is not here yet."
        " Short: ours, not on the bill. Long: on the bill, unknown to us. Status differs: on the bill,"
        " and our order does not know it is paid. Duplicate: the same order once more. Amount"
        " differs: bill − ours. Not compared: no notification log covers the time. Refunds count"
        " negative. By the bill's day; ours alone by its own day."
    ),
    needs=(("trade_bill",), ("notification_log",)),
    fields=("class", "items", "amount_fen"),
    answer=_answer,
    dimensions=DIMENSIONS,
)

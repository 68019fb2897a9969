"""The reconciliation's sum: from ours to each bill, to the fen."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.compared import items
from dashboard.metrics.reconciled import DIMENSIONS
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    bills = [
        bill
        for bill in ("trade_bill", "account_bill")
        if {"trade_bill", bill} <= asked.loaded
    ]
    if not bills:
        return []
    question = asked.question
    found = items(asked.reader, question)
    return asked.rows(filled("reconciliation_identity", question, items=found), bills=bills)


METRIC = Metric(
    name="reconciliation_identity",
    title="From ours to the bill",
    version=1,
    definition=(
        "For each day's bill: ours + carried over from and to neighbouring days + long − short +"
        " differences (bill − ours) + others = bill. Long holds status mismatches and duplicates too."
        " Others are the account's movements outside trades, and those of trades whose trade bill is"
        " missing. Days without a bill are left out. The bill is counted by itself from its lines; the"
        " gap must be zero."
    ),
    needs=(("trade_bill",), ("notification_log", "account_bill")),
    fields=(
        "bill", "ours_fen", "carried_fen", "long_fen", "short_fen", "differences_fen", "other_fen",
        "bill_fen", "gap_fen",
    ),
    answer=_answer,
    dimensions=DIMENSIONS,
)

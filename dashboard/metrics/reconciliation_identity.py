"""The reconciliation's sum: from ours to each bill, to the fen."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.reconciled import DIMENSIONS
from loaders.store.reader import Row
from loaders.store.reconciliation import compared


def _answer(asked: Asked) -> list[Row]:
    bills = [
        bill
        for bill, source in (("trade_bill", "notification_log"), ("account_bill", "account_bill"))
        if {"trade_bill", source} <= asked.loaded
    ]
    if not bills:
        return []
    question = asked.question
    items = compared(question.first_day, question.last_day)
    return asked.rows(filled("reconciliation_identity", question, items=items), bills=bills)


METRIC = Metric(
    name="reconciliation_identity",
    title="From ours to the bill",
    version=1,
    definition=(
        "Ours + carried over from and to neighbouring days + long − short ± differences + others ="
        " bill. Long holds status differs and duplicate too; short holds pending, and ours that was not"
        " compared; others are what is outside trades, or on the bill and not compared. The bill is"
        " counted by itself from its lines; the gap must be zero."
    ),
    needs=(("trade_bill",), ("notification_log", "account_bill")),
    fields=(
        "bill", "ours_fen", "carried_fen", "long_fen", "short_fen", "differences_fen", "other_fen",
        "bill_fen", "gap_fen",
    ),
    answer=_answer,
    dimensions=DIMENSIONS,
)

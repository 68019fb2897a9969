"""Comparing two sides of the same money: classes of items, and how urgent an item is."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, filled
from dashboard.metrics.compared import items
from dashboard.metrics.question import Question
from loaders.errors import UnknownMetric
from loaders.settings import Reconciling
from loaders.store.reader import Row

CLASSES = (
    "bill_missing", "matched", "cross_day", "amount_mismatch", "status_mismatch",
    "currency_mismatch", "duplicate", "short", "long", "fee_mismatch",
)
"""Every item is in the first of these that fits it."""
DIMENSIONS = ("day", "week", "month", "channel")


def refuse_split(name: str, question: Question) -> None:
    """Refuse to split a metric whose rows are given. Raises UnknownMetric."""
    for dimension in question.by:
        raise UnknownMetric(
            "The metric {name} cannot be split by {dimension}.", name=name, dimension=dimension
        )


def classes(asked: Asked, bill: str) -> list[Row]:
    """Items and money by class, in the classes' order."""
    question = asked.question
    found = items(asked.reader, question)
    rows = asked.rows(filled("reconciled", question, items=found), bill=bill)
    alone = sum(row.pop("alone") for row in rows)
    if alone:
        asked.notes.append((
            "{count} items are long only because no notification log covers their time.",
            {"count": alone},
        ))
    return sorted(rows, key=lambda row: CLASSES.index(row["class"]))


def sla(age: int, terms: Reconciling) -> str:
    """How urgent an open item of this age in days is."""
    if age >= terms.overdue_days:
        return "sla_overdue"
    return "sla_due" if age >= terms.due_days else "sla_waiting"

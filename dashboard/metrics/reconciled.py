"""Comparing two sides of the same money: classes of items, and how urgent an item is."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, filled
from dashboard.metrics.question import Question
from loaders.errors import UnknownMetric
from loaders.settings import Reconciling
from loaders.store.reader import Row
from loaders.store.reconciliation import compared

CLASSES = (
    "bill_missing", "matched", "cross_day", "amount_mismatch", "status_mismatch",
    "currency_mismatch", "duplicate", "short", "long", "fee_mismatch",
)
"""Every item is in the first of these that fits it."""
SETTLED = ("matched", "cross_day")
"""Classes that ask nothing of anybody."""
WAITING = "bill_missing"
"""The class that asks for a file, and nothing about the item itself."""
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
    items = compared(question.first_day, question.last_day)
    rows = asked.rows(filled("reconciled", question, items=items), bill=bill)
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

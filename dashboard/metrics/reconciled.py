"""Comparing two sides of the same money: classes of items, and the sum that must come out."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, filled
from dashboard.metrics.question import Question
from loaders.errors import UnknownMetric
from loaders.store.reader import Row
from loaders.store.reconciliation import compared

CLASSES = (
    "matched", "cross_day", "pending", "long", "short", "amount_differs", "status_differs",
    "duplicate", "not_trade", "not_compared",
)
SETTLED = ("matched", "cross_day", "not_trade", "not_compared")
"""Classes that ask nothing of anybody."""
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
    return sorted(rows, key=lambda row: CLASSES.index(row["class"]))

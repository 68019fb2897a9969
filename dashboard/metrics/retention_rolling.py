"""Retention on or after: of a cohort, who bought in a period or a later one within the horizon."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from dashboard.metrics.retention import HORIZONS, grain_of, rolling
from loaders.errors import UnknownMetric
from loaders.store.reader import Row


def refuse_named(question: Question, name: str) -> None:
    """Raises UnknownMetric where a metric by cohorts alone is asked to be split further."""
    for dimension in question.by:
        if dimension in NAMED_DIMENSIONS:
            raise UnknownMetric(
                "The metric {name} cannot be split by {dimension}.", name=name, dimension=dimension
            )


def _answer(asked: Asked) -> list[Row]:
    refuse_named(asked.question, "retention_rolling")
    return rolling(asked, HORIZONS[grain_of(asked.question)])


METRIC = Metric(
    name="retention_rolling",
    title="Retention on or after",
    version=2,
    definition=(
        "Of the buyers by the week or month of their first purchase, the share who bought in the period"
        " that many after it or in a later one, up to 6 months or 12 weeks. Only cohorts followed to"
        " that end: all of them equally long. Beside it what they paid net from that period on, up to"
        " the same end. Filters look at the first purchase."
    ),
    needs=NEEDS,
    fields=("cohort", "period", "buyers", "returned", "rate", "low", "high", "net_fen"),
    answer=_answer,
    dimensions=("week", "month", *NAMED_DIMENSIONS),
)

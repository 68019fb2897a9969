"""Segment scores: the map behind the segments, by recency, frequency and value."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.metrics.segments import scores
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "segment_scores")
    return scores(asked) if knows_buyers(asked) else []


METRIC = Metric(
    name="segment_scores",
    title="Segments by score",
    version=2,
    definition=(
        "Buyers at the period's end by segment and by the scores of recency, frequency and value: the"
        " map of the segments. Value: the place of the mean net amount among all buyers, in fifths;"
        " the least mean of each cell tells the cut-offs as they were then."
    ),
    needs=NEEDS,
    fields=(
        "segment", "recency", "frequency", "value", "buyers", "orders", "net_fen", "least_mean_fen",
    ),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

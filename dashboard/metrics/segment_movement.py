"""Movement between segments: where the buyers of each segment were 30 days before."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.metrics.segments import movement
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "segment_movement")
    return movement(asked) if knows_buyers(asked) else []


METRIC = Metric(
    name="segment_movement",
    title="Movement between segments",
    version=1,
    definition=(
        "Buyers by the segment 30 days before the period's end and at its end; without a segment before"
        " are those who had not bought by then. Both by the rules of the segments."
    ),
    needs=NEEDS,
    fields=("before", "segment", "buyers"),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

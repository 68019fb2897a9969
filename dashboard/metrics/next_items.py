"""Next items: for each segment, the items that are next for most of its buyers (D31)."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.metrics.recommendation import next_by_segment
from dashboard.metrics.segment_rules import SEGMENTS
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "next_items")
    if not knows_buyers(asked):
        return []
    return sorted(next_by_segment(asked), key=lambda row: SEGMENTS.index(row["segment"]))


METRIC = Metric(
    name="next_items",
    title="What to offer next",
    version=2,
    definition=(
        "For each segment at the period's end, the 10 items that stand most often on the lists of its"
        " buyers (see the hit rate of the list): for how many of them, how likely on average by what"
        " they have, and the share of all buyers who bought the item in the last 365 days."
    ),
    needs=(*NEEDS, ("checkout_log",)),
    fields=("segment", "item", "item_name", "buyers", "chance_rate", "popular_rate"),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

"""Next items: for each segment, the items that are next for most of its buyers (D31)."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.metrics.recommendation import next_for_segment
from dashboard.metrics.segment_rules import SEGMENTS
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "next_items")
    if not knows_buyers(asked):
        return []
    return [
        {"segment": segment} | row
        for segment in SEGMENTS for row in next_for_segment(asked, segment)
    ]


METRIC = Metric(
    name="next_items",
    title="What to offer next",
    version=1,
    definition=(
        "For each segment at the period's end, the 3 items that stand most often on the short lists of"
        " its buyers (see the hit rate of the short list): for how many buyers, the mean chance by what"
        " they bought before, and the item's share of all purchases."
    ),
    needs=(*NEEDS, ("checkout_log",)),
    fields=("segment", "item", "item_name", "buyers", "chance_rate", "popular_rate"),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

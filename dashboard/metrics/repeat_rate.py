"""Repeat rate: of the buyers who first bought 90 days ago or longer, how many bought again in 90."""

from __future__ import annotations

from collections import defaultdict

from dashboard.metrics.buyers import (
    NEEDS,
    buyer_sql,
    first_filters,
    knows_buyers,
    note_nameless,
    note_unproven,
    span,
)
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.held import buyer_rows
from dashboard.metrics.intervals import ratio, wilson
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return []
    question = asked.question
    found = buyer_rows(
        asked,
        buyer_sql(
            "repeat_rate", question, first_filters=first_filters(question),
            first_time_dims=question.dims("shop_time(first_at)", "first_order."),
        ),
        new_from=known.new_from,
    )
    note_unproven(asked, known, sum(row["buyers"] for row in found if row["is_unproven"]))
    note_nameless(asked)
    sums: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])
    if not question.by:
        sums[()] = [0, 0]
    for row in found:
        if not row["is_unproven"] and not row["is_young"]:
            counts = sums[tuple(row[name] for name in question.by)]
            counts[0] += row["buyers"]
            counts[1] += row["repeated"]
    return [
        dict(zip(question.by, key, strict=True)) | _row(buyers, repeated)
        for key, (buyers, repeated) in sums.items()
    ]


def _row(buyers: int, repeated: int) -> Row:
    low, high = wilson(repeated, buyers)
    return {
        "buyers": buyers, "repeated": repeated, "rate": ratio(repeated, buyers),
        "low": low, "high": high,
    }


METRIC = Metric(
    name="repeat_rate",
    title="Repeat rate",
    version=1,
    definition=(
        "Buyers with a second purchase within 90 days of the first ÷ buyers whose first purchase was"
        " at least 90 days ago. By the day of the first purchase; buyers not provably new are left"
        " out. Another number than the returning share of a period."
    ),
    needs=NEEDS,
    fields=("buyers", "repeated", "rate", "low", "high"),
    answer=_answer,
)

"""The mix of buyers: who is new, who returns, and of whom that cannot be known."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS, buyer_sql, knows_buyers, note_nameless, span
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.intervals import ratio, wilson
from dashboard.metrics.question import NAMED_DIMENSIONS
from loaders.store.reader import Row

_GRAINS = ("day", "week", "month")


def _answer(asked: Asked) -> list[Row]:
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return []
    question = asked.question
    grain = next((name for name in _GRAINS if name in question.by), None)
    begins = "utc_time($first_hour::timestamp)"
    rows = asked.rows(
        buyer_sql(
            "buyer_mix", question, time_dims=question.dims("shop_time(paid_at)"),
            cell_start=(
                f"greatest({begins}, utc_time(date_trunc('{grain}', shop_time(paid_at))))"
                if grain else begins
            ),
        ),
        new_from=known.new_from,
    )
    for row in rows:
        row["returning_rate"] = ratio(row["returning_buyers"], row["buyers"])
        row["low"], row["high"] = wilson(row["returning_buyers"], row["buyers"])
    note_nameless(asked)
    return rows


METRIC = Metric(
    name="buyer_mix",
    title="New and returning buyers",
    version=1,
    definition=(
        "Buyers of the period. Returning: with a purchase before it (before the day, week or month"
        " of the row). New: the first purchase falls into it. Not provably new: first seen while the"
        " data was young. The returning share is another number than the repeat rate."
    ),
    needs=NEEDS,
    fields=(
        "buyers", "new_buyers", "returning_buyers", "unproven", "returning_rate", "low", "high",
        "new_fen", "returning_fen",
    ),
    answer=_answer,
    dimensions=(*_GRAINS, *NAMED_DIMENSIONS),
)

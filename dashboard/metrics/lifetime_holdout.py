"""The prediction's test: repeat purchases of the last weeks, held out, beside what was expected."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS, knows_buyers, refuse_split
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.lifetime import prediction
from dashboard.metrics.question import NAMED_DIMENSIONS
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "lifetime_holdout")
    found = prediction(asked) if knows_buyers(asked) else None
    if found is None:
        return []
    asked.notes.extend(found.reasons)
    return [
        {"weeks": week.week, "bought": week.bought, "expected_orders": week.expected}
        for week in found.weeks
    ]


METRIC = Metric(
    name="lifetime_holdout",
    title="The prediction, tested on the last weeks",
    version=1,
    definition=(
        "Purchase days after the first of the new buyers, from the beginning of the weeks held out to"
        " the end of each: what came, and what BG/NBD, fitted on the time before, expected. The"
        " prediction is shown only where the last week is wrong by less than 20 %."
    ),
    needs=NEEDS,
    fields=("weeks", "bought", "expected_orders"),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

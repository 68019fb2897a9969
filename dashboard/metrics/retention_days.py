"""Day-N retention: who bought again on the Nth day after the first payment, in windows of 24 hours."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.metrics.retention import on_days
from dashboard.metrics.retention_rolling import refuse_named
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_named(asked.question, "retention_days")
    return on_days(asked)


METRIC = Metric(
    name="retention_days",
    title="Day-N retention",
    version=2,
    definition=(
        "Of the buyers by the week or month of their first purchase, the share who bought again on the"
        " 1st, 7th, 14th, 30th, 60th and 90th day after it: rolling windows of 24 hours from the first"
        " payment. Beside it what they paid net in it. Null until that window of every buyer of the"
        " cohort has ended. Filters look at the first purchase."
    ),
    needs=NEEDS,
    fields=("cohort", "period", "buyers", "returned", "rate", "low", "high", "net_fen"),
    answer=_answer,
    dimensions=("week", "month", *NAMED_DIMENSIONS),
)

"""Day N or later: who bought again on the Nth day after the first payment or on a later one."""

from __future__ import annotations

from dashboard.metrics.buyers import NEEDS
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.metrics.retention import on_days
from dashboard.metrics.retention_rolling import refuse_named
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    refuse_named(asked.question, "retention_days_rolling")
    return on_days(asked, or_later=True)


METRIC = Metric(
    name="retention_days_rolling",
    title="Day N or later",
    version=1,
    definition=(
        "Of the buyers by the week or month of their first purchase, the share who bought again from the"
        " 1st, 7th, 14th, 30th, 60th or 90th day after it on, up to the end of the 90th: windows in"
        " hours from the first payment, days of 24 hours. Beside it what they paid net in them. Null"
        " until the 90th day of every buyer of the cohort has ended: all are followed equally long."
        " Filters look at the first purchase."
    ),
    needs=NEEDS,
    fields=("cohort", "period", "buyers", "returned", "rate", "low", "high", "net_fen"),
    answer=_answer,
    dimensions=("week", "month", *NAMED_DIMENSIONS),
)

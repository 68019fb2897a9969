"""Also bought: pairs of items that stand in one purchase more often than chance explains (D31)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from dashboard.metrics.catalogue import Asked, Metric, filled, sql
from dashboard.metrics.intervals import Z95, wilson
from dashboard.metrics.question import Question
from loaders.store.reader import Row

LEAST_TOGETHER = 10
"""Pairs of fewer purchases than this are no pairs."""
MOST_PAIRS = 500
SHOWN = 3
"""So long is a short list."""
_POPULAR = 50


def pair_sql(name: str, question: Question, **parts: str) -> str:
    """A query over the pairs of the question's baskets."""
    own = {
        "pairs": sql("pairs"), "ranked": sql("ranked_items"), "least": str(LEAST_TOGETHER),
        "z2": repr(Z95 * Z95), "most": str(MOST_PAIRS), "shown": str(SHOWN),
        "popular": str(_POPULAR), "basket_filters": question.filters(),
    }
    return filled(name, question, **(parts | own))


def basket_days(first: date, last: date) -> dict[str, Any]:
    """The days whose baskets are looked at, as the query's parameters."""
    return {"first_basket": first, "last_basket": last}


def goods(asked: Asked, most: int = 200) -> list[Row]:
    """Items of the purchases of the year before the period's end, the most bought first."""
    last = asked.question.last_day
    return asked.rows(
        "select item, arg_max(name, day) filter (where name is not null) as item_name,"
        " sum(orders)::bigint as orders from lake.daily_baskets where item is not null"
        " and other is null and day between $first_basket::date and $last_basket::date"
        " group by item having sum(orders) > 0 order by orders desc, item"
        f" limit {int(most)}",
        **basket_days(last - timedelta(days=365), last),
    )


def _answer(asked: Asked) -> list[Row]:
    question = asked.question
    rows = asked.rows(
        pair_sql("also_bought", question), **basket_days(question.first_day, question.last_day)
    )
    for row in rows:
        row["low"], row["high"] = wilson(row["together"], row["orders"])
    return rows


METRIC = Metric(
    name="also_bought",
    title="Also bought",
    version=1,
    definition=(
        "Pairs of items in one purchase (paid and not fully refunded, by the day it was created), from"
        " the items of the checkout log. Support: share of all purchases with both. Confidence: of the"
        " purchases with the first item, the share that also hold the other (Wilson 95 %). Lift:"
        " confidence ÷ the other's share of all purchases. At least 10 purchases with both, and only"
        " where the interval lies above that share."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=(
        "item", "item_name", "other", "other_name", "orders", "together", "support", "confidence",
        "low", "high", "lift",
    ),
    answer=_answer,
    dimensions=("channel",),
)

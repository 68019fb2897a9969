"""Time to the second purchase, as a survival curve: who has not come yet still may (D28)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from dashboard.metrics.buyers import (
    NEEDS,
    buyer_sql,
    first_filters,
    knows_buyers,
    note_nameless,
    span,
)
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.held import buyer_rows
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.metrics.survival import Point, by_day, kaplan_meier, median_day
from loaders.store.reader import Row

SHOWN_DAYS = (7, 14, 30, 60, 90, 180, 365)
Group = tuple[Any, ...]
Curves = dict[Group, list[Point]]


def curves(asked: Asked, *, by_first_attempt: bool = False) -> Curves:
    """For each group of the question (or outcome of the first attempt), the curve of its buyers."""
    return {group: kaplan_meier(*counts) for group, counts in _counts(asked, by_first_attempt).items()}


def _counts(
    asked: Asked, by_first_attempt: bool
) -> dict[Group, tuple[dict[int, int], dict[int, int]]]:
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return {}
    question = asked.question
    dims = question.dims("shop_time(first_at)", "first_order.")
    names = question.by
    if by_first_attempt:
        dims, names = dims + "first_order.first_attempt as first_attempt, ", (*names, "first_attempt")
    rows = buyer_rows(
        asked,
        buyer_sql("second_purchase", question, group_dims=dims,
                  first_filters=first_filters(question)),
        new_from=known.new_from,
    )
    found: dict[Group, tuple[dict[int, int], dict[int, int]]] = defaultdict(lambda: ({}, {}))
    for row in rows:
        events, censored = found[tuple(row[name] for name in names)]
        (events if row["came"] else censored)[row["days"]] = row["buyers"]
    return found


def _answer(asked: Asked) -> list[Row]:
    rows: list[Row] = []
    for group, (events, censored) in _counts(asked, by_first_attempt=False).items():
        points = kaplan_meier(events, censored)
        furthest = max([*events, *censored])
        named = dict(zip(asked.question.by, group, strict=True))
        median = median_day(points)
        for day in SHOWN_DAYS:
            if day <= furthest:
                rows.append(named | _row(day, events, censored, by_day(points, day), median))
    note_nameless(asked)
    return rows


def _row(
    day: int, events: dict[int, int], censored: dict[int, int], point: Point | None,
    median: int | None,
) -> Row:
    followed = sum(n for at, n in [*events.items(), *censored.items()] if at >= day)
    came = sum(count for at, count in events.items() if at <= day)
    return {
        "days": day, "followed": followed, "returned": came,
        "rate": point.share if point else 0.0, "low": point.low if point else None,
        "high": point.high if point else None, "median_days": median,
    }


METRIC = Metric(
    name="second_purchase",
    title="Time to the second purchase",
    version=1,
    definition=(
        "The share of new buyers with a second purchase within so many days of the first, by Kaplan"
        " and Meier: buyers whose time has not come yet count as long as they have been watched."
        " Median: the day by which half came again. By the first purchase; buyers not provably new"
        " are left out."
    ),
    needs=NEEDS,
    fields=("days", "followed", "returned", "rate", "low", "high", "median_days"),
    answer=_answer,
    dimensions=("week", "month", *NAMED_DIMENSIONS),
)

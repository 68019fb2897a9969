"""The Kaplan-Meier estimator over whole days, with log-log intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.metrics.intervals import Z95


@dataclass(frozen=True, slots=True)
class Point:
    """The share that had the event by the end of a day, its 95 % interval, and those at risk then."""

    day: int
    at_risk: int
    events: int
    share: float
    low: float | None
    high: float | None


def kaplan_meier(events: Mapping[int, int], censored: Mapping[int, int]) -> list[Point]:
    """Share with the event by day, from counts by the day of the event or of the last look.

    On one day, events come before the last look. Interval: Greenwood's variance on log(-log S).
    """
    at_risk, surviving, variance = sum(events.values()) + sum(censored.values()), 1.0, 0.0
    points = []
    for day in sorted({*events, *censored}):
        happened = events.get(day, 0)
        if happened:
            surviving *= 1 - happened / at_risk
            if at_risk > happened:
                variance += happened / (at_risk * (at_risk - happened))
            low, high = _interval(surviving, variance)
            points.append(Point(day, at_risk, happened, 1 - surviving, low, high))
        at_risk -= happened + censored.get(day, 0)
    return points


def _interval(surviving: float, variance: float) -> tuple[float | None, float | None]:
    if not 0 < surviving < 1:
        return None, None
    spread = Z95 * math.sqrt(variance) / abs(math.log(surviving))
    return 1 - surviving ** math.exp(-spread), 1 - surviving ** math.exp(spread)


def by_day(points: list[Point], day: int) -> Point | None:
    """The last point up to a day; None before the first."""
    return next((point for point in reversed(points) if point.day <= day), None)


def median_day(points: list[Point]) -> int | None:
    """The first day by which half had the event; None if fewer ever do."""
    return next((point.day for point in points if point.share >= 0.5), None)

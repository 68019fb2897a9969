"""The Kaplan-Meier curve over whole days, with log-log intervals, by SciPy's estimator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    from scipy.stats import CensoredData, ecdf

    if not events:
        return []
    surviving = ecdf(CensoredData(uncensored=_each(events), right=_each(censored))).sf
    with warnings.catch_warnings():
        # Where all or none have had the event the formula gives no interval; the points say so.
        warnings.simplefilter("ignore", RuntimeWarning)
        bounds = surviving.confidence_interval(0.95, method="log-log")
    at_risk = sum(events.values()) + sum(censored.values())
    points = []
    for day in sorted({*events, *censored}):
        happened = events.get(day, 0)
        if happened:
            low, high = (_share(side, day) for side in (bounds.high, bounds.low))
            points.append(Point(day, at_risk, happened, 1 - float(surviving.evaluate(day)), low, high))
        at_risk -= happened + censored.get(day, 0)
    return points


def _each(counts: Mapping[int, int]) -> Any:
    import numpy as np

    return np.repeat(np.fromiter(counts, dtype=float), np.fromiter(counts.values(), dtype=np.int64))


def _share(side: Any, day: int) -> float | None:
    share = 1 - float(side.evaluate(day))
    return None if math.isnan(share) else share


def by_day(points: list[Point], day: int) -> Point | None:
    """The last point up to a day; None before the first."""
    return next((point for point in reversed(points) if point.day <= day), None)


def median_day(points: list[Point]) -> int | None:
    """The first day by which half had the event; None if fewer ever do."""
    return next((point.day for point in points if point.share >= 0.5), None)

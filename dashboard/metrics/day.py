"""A day against the same weekday a week earlier, up to the same hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard.metrics.catalogue import Answer

Points = list[tuple[int, int]]
"""Hour of the day and fen paid since midnight."""


@dataclass(frozen=True, slots=True)
class DayAgainstDay:
    """Money paid since midnight of two days, up to the last whole hour that is known of the later.

    `paid_before_fen` is None, and its hours empty, where nothing is known of the earlier day.
    """

    paid_fen: int
    paid_before_fen: int | None
    hours: Points
    hours_before: Points


def against_same_weekday(
    before: Answer, latest: Answer, known_to: datetime
) -> DayAgainstDay | None:
    """Two answers of `sales` by hour as running sums. `known_to` is the shop-local as-of.

    None where nothing is known of the latest day, or not yet a whole hour.
    """
    is_over = known_to.date() > latest.question.last_day
    last = 23 if is_over else known_to.hour - 1
    hours = _running(latest, last)
    if last < 0 or hours is None:
        return None
    whole = _running(before, 23)
    if whole is None:
        return DayAgainstDay(hours[-1][1], None, hours, [])
    return DayAgainstDay(hours[-1][1], whole[last][1], hours, whole)


def _running(answer: Answer, last: int) -> Points | None:
    """Sums since midnight for each hour; None where no payment is known."""
    paid = {row["hour"].hour: row["paid_fen"] for row in answer.rows if row["paid_fen"] is not None}
    if not paid:
        return None
    total, points = 0, []
    for hour in range(last + 1):
        total += paid.get(hour, 0)
        points.append((hour, total))
    return points

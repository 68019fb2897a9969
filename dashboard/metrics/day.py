"""A day against the same weekday a week earlier, up to the same hour."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.metrics.catalogue import Answer

Points = list[tuple[int, int]]
"""Hour of the day and fen paid since midnight."""


@dataclass(frozen=True, slots=True)
class DayAgainstDay:
    """Money paid since midnight of two days, and up to the last hour both are known for."""

    paid_fen: int
    paid_before_fen: int
    hours: Points
    hours_before: Points


def against_same_weekday(before: Answer, latest: Answer) -> DayAgainstDay | None:
    """Two answers of `sales` by hour as running sums; None where the latest day has nothing."""
    if not latest.rows:
        return None
    last = max(row["hour"].hour for row in latest.rows)
    hours, hours_before = _running(latest, last), _running(before, 23)
    return DayAgainstDay(
        hours[-1][1], next(fen for hour, fen in hours_before if hour == last), hours, hours_before
    )


def _running(answer: Answer, last: int) -> Points:
    paid = {row["hour"].hour: row["paid_fen"] or 0 for row in answer.rows}
    total, points = 0, []
    for hour in range(last + 1):
        total += paid.get(hour, 0)
        points.append((hour, total))
    return points

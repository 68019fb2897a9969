"""The latest day against the same weekday: whole hours only, and unknown is not zero."""

from __future__ import annotations

from datetime import date, datetime

from dashboard.metrics.catalogue import Answer, metric_named
from dashboard.metrics.day import against_same_weekday
from dashboard.metrics.question import Question

DAY, WEEK_AGO = date(2026, 5, 8), date(2026, 5, 1)


def sales(day: date, hours: dict[int, int | None]) -> Answer:
    rows = [
        {"hour": datetime(day.year, day.month, day.day, hour), "paid_fen": fen}
        for hour, fen in hours.items()
    ]
    question = Question(day, day, ("hour",))
    return Answer(metric_named("sales"), question, datetime(2026, 5, 8), rows, [])


def test_hours_without_payments_count_and_the_hour_under_way_does_not() -> None:
    before = sales(WEEK_AGO, dict.fromkeys(range(24), 1000))
    found = against_same_weekday(before, sales(DAY, {9: 1000, 20: 500}), datetime(2026, 5, 8, 20, 5))
    assert found is not None
    assert (found.paid_fen, found.paid_before_fen) == (1000, 20_000)
    assert len(found.hours) == 20
    assert len(found.hours_before) == 24


def test_a_day_that_is_over_is_compared_whole() -> None:
    before = sales(WEEK_AGO, {23: 700})
    found = against_same_weekday(before, sales(DAY, {9: 1000}), datetime(2026, 5, 9))
    assert found is not None
    assert (found.paid_fen, found.paid_before_fen) == (1000, 700)


def test_an_unknown_week_before_is_not_zero() -> None:
    late = datetime(2026, 5, 9)
    found = against_same_weekday(sales(WEEK_AGO, {}), sales(DAY, {9: 1000}), late)
    assert found is not None
    assert found.paid_before_fen is None
    assert found.hours_before == []
    assert against_same_weekday(sales(WEEK_AGO, {9: 5}), sales(DAY, {9: None}), late) is None

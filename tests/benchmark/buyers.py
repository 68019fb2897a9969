"""What the Retention and Loyalty screens ask of a store, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from dashboard.metrics import loyalty, second_purchase
from dashboard.metrics.buyer_mix import whole_months
from dashboard.metrics.catalogue import ask
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.settings import load_settings
from tests.benchmark import inputs
from tests.benchmark.timing import timed


def retention_s(home: Path) -> float:
    """Seconds of the questions that Retention asks when it is opened (median of three)."""
    last = inputs.FIRST + timedelta(days=inputs.DAYS - 1)
    month = Question(last - timedelta(days=29), last)
    year = month.last(365)

    def page(services: Services) -> None:
        reader = services.reader
        ask(reader, "buyer_mix", month)
        ask(reader, "buyer_mix", whole_months(year))
        for name, question in (
            ("repeat_rate", year), ("retention", year.split("month")), ("second_purchase", year),
            ("failure_loyalty", year),
        ):
            ask(reader, name, question)
        made = loyalty.asked(reader, year)
        assert made is not None
        second_purchase.curves(made)

    return _median(home, page)


def loyalty_s(home: Path) -> float:
    """Seconds of the questions that Loyalty asks when it is opened (median of three)."""
    last = inputs.FIRST + timedelta(days=inputs.DAYS - 1)
    month = Question(last - timedelta(days=29), last)

    def page(services: Services) -> None:
        for name in ("segments", "lifetime_value", "segment_scores", "segment_movement",
                     "churn_risk", "lifetime_holdout"):
            ask(services.reader, name, month)

    return _median(home, page)


def _median(home: Path, page: Callable[[Services], None]) -> float:
    services = Services(load_settings(home))
    page(services)
    spent = sorted(timed(lambda: page(services)) for _ in range(3))
    services.reader.close()
    return spent[1]

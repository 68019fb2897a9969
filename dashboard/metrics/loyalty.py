"""What the buyers' screens ask beside the metrics, remembered like every other answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dashboard.metrics import (
    also_bought,
    audience,
    lifetime,
    one_buyer,
    retention,
    second_purchase,
    segments,
)
from dashboard.metrics.answers import Answers
from dashboard.metrics.audience import Rules
from dashboard.metrics.buyers import NEEDS, knows_buyers
from dashboard.metrics.catalogue import Answer, Asked
from dashboard.metrics.lifetime import Prediction
from dashboard.metrics.one_buyer import Buyer
from dashboard.metrics.question import Question
from dashboard.metrics.second_purchase import Curves
from loaders.store.reader import Reader, Row

Found = TypeVar("Found")


def asked(reader: Reader, question: Question) -> Asked | None:
    """The question with its as-of; None where payments or the people behind them are not known."""
    marks = reader.watermarks()
    known = [next((marks[name] for name in names if name in marks), None) for names in NEEDS]
    instants = [mark for mark in known if mark is not None]
    if len(instants) < len(NEEDS):
        return None
    made = Asked(reader, question, min(instants), frozenset(marks))
    return made if knows_buyers(made) else None


class Loyalty:
    """Curves, movements, cells and predictions of the buyers of one store."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def _once(
        self, name: str, question: Question, find: Callable[[Asked], Found], nothing: Found,
        *more: object,
    ) -> Found:
        def ask() -> Found:
            made = asked(self._answers.reader, question)
            return nothing if made is None else find(made)

        return self._answers.once(("loyalty", name, *question.key(), *more), ask)

    def rolling(self, question: Question, horizon: int) -> list[Row]:
        """Retention on or after each period, cohorts followed equally long."""
        return self._once(
            "rolling", question, lambda made: retention.rolling(made, horizon), [], horizon
        )

    def on_days(self, question: Question) -> list[Row]:
        """Day-N retention in windows of 24 hours."""
        return self._once("days", question, retention.on_days, [])

    def buyers_of(
        self, question: Question, cohort: str, period: int, mode: str = retention.MODES[0]
    ) -> list[Row]:
        """Buyers of a cell of a triangle, which is one of MODES."""
        return self._once(
            "cell", question, lambda made: retention.buyers_of(made, cohort, period, mode), [],
            cohort, period, mode,
        )

    def curves(self, question: Question, by_first_attempt: bool) -> Curves:
        """Time to the second purchase by the question's dimensions or the first attempt's outcome."""
        def find(made: Asked) -> Curves:
            return second_purchase.curves(made, by_first_attempt=by_first_attempt)

        return self._once("curves", question, find, {}, by_first_attempt)

    def scores(self, question: Question) -> list[Row]:
        """Buyers by segment and scores at the end of the period."""
        return self._once("scores", question, segments.scores, [])

    def movement(self, question: Question) -> list[Row]:
        """Buyers by segment 30 days ago and now."""
        return self._once("movement", question, segments.movement, [])

    def buyers_in(self, question: Question, segment: str) -> list[Row]:
        """Buyers of a segment, the most valuable first."""
        return self._once(
            "segment", question, lambda made: segments.buyers_in(made, segment), [], segment
        )

    def also_bought(self, question: Question) -> Answer:
        """Pairs of items of the period; of all filters, the channel's alone applies."""
        return self._answers.metric("also_bought", also_bought.by_channel(question))

    def hit_rate(self, question: Question) -> Answer:
        """How often the lists would have been right; of all filters, the channel's alone applies."""
        return self._answers.metric("recommendation", also_bought.by_channel(question))

    def goods(self, question: Question) -> list[Row]:
        """Items of the purchases of the last year, the most bought first."""
        return self._once("goods", question, also_bought.goods, [])

    def next_for_segment(self, question: Question, segment: str) -> list[Row]:
        """What to offer a segment."""
        rows = self._answers.metric("next_items", question).rows
        return [row for row in rows if row["segment"] == segment]

    def buyer(self, question: Question, buyer: str, channel: str | None = None) -> Buyer | None:
        """What is known of a pseudonym at the end of the period."""
        def find(made: Asked) -> Buyer | None:
            return one_buyer.find(made, buyer, channel)

        return self._once("buyer", question, find, None, buyer, channel)

    def audience(self, question: Question, rules: Rules) -> Row:
        """The counts of an audience."""
        def find(made: Asked) -> Row:
            return audience.counts(made, rules)

        return self._once("audience", question, find, {}, rules)

    def members(
        self, question: Question, rules: Rules, limit: int | None = None
    ) -> list[Row]:
        """The buyers of an audience; never remembered: it is asked anew each time it leaves."""
        made = asked(self._answers.reader, question)
        return [] if made is None else audience.members(made, rules, limit)

    def prediction(self, question: Question) -> Prediction | None:
        """The model of these buyers, with its hold-out, or why there is none."""
        return self._once("prediction", question, lifetime.prediction, None)

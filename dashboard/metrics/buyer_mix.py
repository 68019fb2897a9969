"""The mix of buyers: who is new, who returns, and of whom that cannot be known."""

from __future__ import annotations

from datetime import date, timedelta

from dashboard.metrics.buyers import NEEDS, Span, buyer_sql, knows_buyers, note_nameless, span
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.held import buyer_rows
from dashboard.metrics.intervals import ratio, wilson
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from dashboard.metrics.retention import local_time
from loaders.store.reader import Row

_GRAINS = ("day", "week", "month")


def _answer(asked: Asked) -> list[Row]:
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return []
    question = asked.question
    grain = next((name for name in _GRAINS if name in question.by), None)
    if question.by == ("month",) and not question.where and _is_whole(asked):
        return _told(asked, _by_month(asked, known))
    begins = "utc_time($first_hour::timestamp)"
    rows = buyer_rows(
        asked,
        buyer_sql(
            "buyer_mix", question, time_dims=question.dims("shop_time(paid_at)"),
            cell_start=(
                f"greatest({begins}, utc_time(date_trunc('{grain}', shop_time(paid_at))))"
                if grain else begins
            ),
        ),
        new_from=known.new_from,
    )
    return _told(asked, rows)


def whole_months(question: Question) -> Question:
    """The question asked from the first day of its first whole month, split by month."""
    first = question.first_day
    if first.day > 1:
        first = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Question(min(first, question.last_day), question.last_day, ("month",), question.where)


def _is_whole(asked: Asked) -> bool:
    """True if the period has no part of a month but the one that is not over yet."""
    last = asked.question.last_day
    ends = last.month != (last + timedelta(days=1)).month or last >= local_time(asked).date()
    return asked.question.first_day.day == 1 and ends


def _by_month(asked: Asked, known: Span) -> list[Row]:
    """The mix by whole months, from what is kept of the buyers."""
    return buyer_rows(
        asked,
        buyer_sql("buyer_mix_months", asked.question), new_from=known.new_from,
        first_month=asked.question.first_day, last_month=asked.question.last_day.replace(day=1),
    )


def _told(asked: Asked, rows: list[Row]) -> list[Row]:
    for row in rows:
        row["returning_rate"] = ratio(row["returning_buyers"], row["buyers"])
        row["low"], row["high"] = wilson(row["returning_buyers"], row["buyers"])
    note_nameless(asked)
    return rows


METRIC = Metric(
    name="buyer_mix",
    title="New and returning buyers",
    version=1,
    definition=(
        "Buyers of the period. Returning: with a purchase before it (before the day, week or month"
        " of the row). New: the first purchase falls into it. Not provably new: first seen while the"
        " data was young. The returning share is another number than the repeat rate."
    ),
    needs=NEEDS,
    fields=(
        "buyers", "new_buyers", "returning_buyers", "unproven", "returning_rate", "low", "high",
        "new_fen", "returning_fen",
    ),
    answer=_answer,
    dimensions=(*_GRAINS, *NAMED_DIMENSIONS),
)

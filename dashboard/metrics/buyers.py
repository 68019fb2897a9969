"""What the buyers' metrics share: their orders as of an instant, and who is provably new (D15, D18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import ceil
from weakref import WeakKeyDictionary

from dashboard.metrics.catalogue import Asked, filled, sql
from dashboard.metrics.held import buyer_rows, restated_sql
from dashboard.metrics.question import Question
from loaders.errors import UnknownMetric
from loaders.store.reader import Reader, Row

PAYMENTS = ("notification_log", "trade_bill")
PEOPLE = ("checkout_log", "notification_log")
NEEDS = (PAYMENTS, PEOPLE)
CALIBRATED_DAYS = 365
"""Gaps of the data's first year set that time; once the year is over it stays as it is."""
_FAR_SHARE = 0.95
"""Such a share of the gaps is no longer than the time (D18)."""
_FIRST_ORDER = (
    ", arg_min(struct_pack(product := product, client := client, store := store,"
    " campaign := campaign, channel := channel, first_attempt := first_attempt), (paid_at, created_at))"
    " as first_order"
)


@dataclass(frozen=True, slots=True)
class Span:
    """How far the buyers' history reaches. Instants are naive UTC.

    `new_from`: buyers first seen before it are not provably new.
    """

    begins_at: datetime
    new_from: datetime
    days: int


_SPANS: WeakKeyDictionary[Reader, tuple[tuple[int, datetime], Span | None]] = WeakKeyDictionary()


@cache
def orders_sql() -> str:
    """CTEs of the buyers' orders as of $as_of."""
    return sql("buyer_orders").replace("{restated}", restated_sql())


def buyer_sql(name: str, question: Question, **parts: str) -> str:
    """A buyers' metric's SQL, with their orders as its first CTEs and other parts filled in.

    Of what is kept of the buyers, `buyer_rows` reads it.
    """
    text = filled(name, question, **parts)
    text = text.replace("{histories}", sql("buyer_histories"))
    first_order = _FIRST_ORDER if "first_order." in text else ""
    return text.replace("{orders}", orders_sql().replace("{first_order}", first_order))


def first_filters(question: Question) -> str:
    """Conditions of the filters on the first purchase."""
    return question.filters("first_order.")


def refuse_split(asked: Asked, name: str) -> None:
    """Raises UnknownMetric where a metric that only takes filters is asked to be split."""
    for dimension in asked.question.by:
        raise UnknownMetric(
            "The metric {name} cannot be split by {dimension}.", name=name, dimension=dimension
        )


def knows_buyers(asked: Asked) -> bool:
    """True if payments and the people behind them were ever loaded."""
    return asked.knows_payments and bool(asked.loaded & set(PEOPLE))


def span(asked: Asked) -> Span | None:
    """How far the history reaches; None while no buyer is known (D18). Kept until the store moves."""
    state = (asked.reader.state(), asked.as_of)
    kept = _SPANS.get(asked.reader)
    if kept is None or kept[0] != state:
        kept = _SPANS[asked.reader] = (state, _span(asked))
    return kept[1]


def _span(asked: Asked) -> Span | None:
    rows = buyer_rows(
        asked, buyer_sql("buyer_span", asked.question), calibrated_days=CALIBRATED_DAYS
    )
    begins_at = rows[0]["begins_at"]
    if begins_at is None:
        return None
    days = max(asked.reader.settings.buyers.unproven_days, _far_gap(rows))
    return Span(begins_at, begins_at + timedelta(days=days), days)


def _far_gap(rows: Sequence[Row]) -> int:
    """The whole days within which 95 % of the gaps lie; 0 without any."""
    counts = [(row["gap_days"], row["gaps"]) for row in rows if row["gaps"]]
    wanted, passed = ceil(_FAR_SHARE * sum(count for _, count in counts)), 0
    for days, count in counts:
        passed += count
        if passed >= wanted:
            return int(days)
    return 0


def note_unproven(asked: Asked, known: Span, count: int) -> None:
    """Say how many buyers are left out because they may have bought before the data begins."""
    if count:
        asked.notes.append((
            "{count} buyers first seen in the first {days} days of the data may have bought before:"
            " they are left out of the new buyers.",
            {"count": count, "days": known.days},
        ))
    if asked.as_of < known.begins_at + timedelta(days=CALIBRATED_DAYS):
        asked.notes.append((
            "The data is younger than a year: until then that time may still grow, and buyers who are"
            " new today may turn out not to be provably so.", {},
        ))


_REFUNDED_LATER = {
    "month": "{count} refunds came after the month of their order had ended: by these, and by nothing"
    " else, months that have ended changed later. They are of orders of {periods}.",
    "week": "{count} refunds came after the week of their order had ended: by these, and by nothing"
    " else, weeks that have ended changed later. They are of orders of {periods}.",
}
_PERIODS = {"month": "%Y-%m", "week": "%G-W%V"}
_NAMED_PERIODS = 6


def note_refunds(asked: Asked, known: Span, grain: str) -> None:
    """Say how many refunds have changed what had ended, and of when: refunds alone can (D16)."""
    rows = asked.rows(
        f"select strftime(shop_time(ordered_at), '{_PERIODS[grain]}') as period, count(*) as refunds"
        " from lake.refund where refunded_at <= $as_of::timestamp"
        " and ordered_at >= greatest($new_from::timestamp, utc_time($first_hour::timestamp))"
        f" and date_trunc('{grain}', shop_time(refunded_at)) > date_trunc('{grain}',"
        " shop_time(ordered_at)) group by period order by period desc", new_from=known.new_from,
    )
    if rows:
        named = [f"{row['period']} ({row['refunds']})" for row in rows[:_NAMED_PERIODS]]
        more = [f"+{len(rows) - _NAMED_PERIODS}"] if len(rows) > _NAMED_PERIODS else []
        asked.notes.append((_REFUNDED_LATER[grain], {
            "count": sum(row["refunds"] for row in rows), "periods": ", ".join(named + more),
        }))


def note_nameless(asked: Asked) -> None:
    """Say how many purchases no buyer is known of."""
    row = buyer_rows(asked, "select orders from memory.nameless_{held}")[0]
    if row["orders"]:
        asked.notes.append((
            "{count} purchases name no buyer and are left out.", {"count": row["orders"]},
        ))


def at_end(asked: Asked) -> datetime:
    """The end of the question's last day, or the as-of where that is earlier; naive UTC."""
    row = asked.rows("select utc_time($last_hour::timestamp + interval 1 hour) as ends_at")[0]
    ends_at: datetime = row["ends_at"]
    return min(asked.as_of, ends_at)

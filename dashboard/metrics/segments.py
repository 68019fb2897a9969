"""Segments: every buyer in exactly one group by how recently, how often and for how much they buy."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from dashboard.metrics import segment_rules as rules
from dashboard.metrics.buyers import NEEDS, at_end, buyer_sql, knows_buyers, note_nameless, refuse_split
from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from loaders.store.reader import Row

MOVED_DAYS = 30


def segment_sql(name: str, question: Question, **parts: str) -> str:
    """A query over `scored`, the buyers with their scores and segment."""
    scored = buyer_sql(
        "segment_buyers", question,
        recency=rules.recency_sql("days_since"), frequency=rules.frequency_sql("orders_a_year"),
        value=rules.value_sql("value_rank"), segment=rules.segment_sql("recency", "frequency"),
    )
    return filled(name, question, scored=scored, **parts)


def scores(asked: Asked, at: datetime | None = None) -> list[Row]:
    """Buyers by segment and scores, as they stood at an instant (naive UTC)."""
    return asked.rows(segment_sql("segments", asked.question), as_of=at or at_end(asked))


def movement(asked: Asked, days: int = MOVED_DAYS) -> list[Row]:
    """Buyers by segment some days ago and segment now; None where they had not bought yet."""
    now = at_end(asked)
    before = now - timedelta(days=days)
    then = {row["buyer_key"]: row["segment"] for row in _members(asked, before)}
    counts = Counter(
        (then.get(row["buyer_key"]), row["segment"]) for row in _members(asked, now)
    )
    order: dict[str | None, int] = {name: at for at, name in enumerate((None, *rules.SEGMENTS))}
    return [
        {"before": before_, "segment": segment, "buyers": buyers}
        for (before_, segment), buyers in sorted(
            counts.items(), key=lambda item: (order[item[0][0]], order[item[0][1]])
        )
    ]


def _members(asked: Asked, at: datetime) -> list[Row]:
    return asked.rows(segment_sql("segment_members", asked.question), as_of=at)


def buyers_in(asked: Asked, segment: str, limit: int = 200) -> list[Row]:
    """The buyers of a segment (pseudonyms), the most valuable first."""
    return asked.rows(
        segment_sql("segment_list", asked.question), as_of=at_end(asked), segment=segment, limit=limit
    )


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "segments")
    if not knows_buyers(asked):
        return []
    note_nameless(asked)
    sums: dict[str, Row] = {}
    for row in scores(asked):
        line = sums.setdefault(
            row["segment"], {"segment": row["segment"], "buyers": 0, "orders": 0, "net_fen": 0}
        )
        for name in ("buyers", "orders", "net_fen"):
            line[name] += row[name]
    return [sums[name] for name in rules.SEGMENTS if name in sums]


METRIC = Metric(
    name="segments",
    title="Segments",
    version=1,
    definition=(
        "Every buyer in exactly one segment as of the period's end, by days since the last purchase"
        " (30, 60, 90, 180) and purchases in 365 days (2, 3, 5, 10); the rules stand in a table."
        " Orders and net amount are of all time: purchases paid and not fully refunded, less refunds."
    ),
    needs=NEEDS,
    fields=("segment", "buyers", "orders", "net_fen"),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

"""How a stage's latencies are spread: log-spaced buckets for a figure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dashboard.metrics.catalogue import filled
from dashboard.metrics.question import Question
from loaders.store.reader import Reader

STAGES = ("channel", "notification", "recognition", "end_to_end")
_ROLLED_UP = {"channel", "product"}
_FINE = 1.02
_JOINED = 10
"""So many buckets of the roll-up make one bar: each is a fifth wider than the one before."""
_NEVER = 32767


@dataclass(frozen=True, slots=True)
class Bar:
    """Orders between two latencies, in seconds."""

    low_s: float
    high_s: float
    orders: int

    @property
    def middle_s(self) -> float:
        """The middle of the bar on a logarithmic scale."""
        return float((self.low_s * self.high_s) ** 0.5)


def spread(reader: Reader, question: Question, stage: str) -> list[Bar]:
    """The bars of a stage; what never arrived and clock skew are not among them."""
    is_rolled_up = set(question.where) <= _ROLLED_UP
    name = "spread" if is_rolled_up else "spread_of_trades"
    if stage not in STAGES:
        raise ValueError(f"no such stage: {stage}")
    values = question.parameters() | {"stage": stage}
    sql = filled(name, question, stage=stage)
    rows = reader.rows(sql, {key: value for key, value in values.items() if f"${key}" in sql})
    sums: Counter[int] = Counter()
    for row in rows:
        if 0 <= row["bucket"] < _NEVER:
            sums[row["bucket"] // _JOINED] += row["orders"]
    return [
        Bar(_edge_s(place), _edge_s(place + 1), orders) for place, orders in sorted(sums.items())
    ]


def _edge_s(place: int) -> float:
    """The lower edge of a bar; the first begins at a millisecond so that it has a logarithm."""
    return max(float(_FINE ** (place * _JOINED)) - 1, 1.0) / 1000

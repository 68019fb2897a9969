"""Why order conversion moved between two periods: mix and rate effects that add up (D24, D22)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from dashboard.metrics.catalogue import Asked, filled, metric_named
from dashboard.metrics.intervals import LEAST_COUNT, difference_p, discoveries, newcombe, ratio
from dashboard.metrics.question import Question
from loaders.store.reader import Reader, Row

MANY_SLICES = 10
DIMENSIONS = ("channel", "product", "client")
Slice = tuple[str | None, str | None, str | None]
"""Channel, product and client."""
_NONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """What one slice, and one reason in it, adds to the change of the rate.

    `reason` is an outcome class for a rate effect and None for the slice's mix effect. The share
    that moved is `counted` of `base`: the reason's orders of the slice's, or the slice's of all.
    """

    slice: Slice
    reason: str | None
    effect: Fraction
    counted_before: int
    base_before: int
    counted_after: int
    base_after: int
    is_sure: bool = False

    @property
    def orders(self) -> int:
        """Orders of the slice in both periods, the smaller number."""
        if self.reason is None:
            return min(self.counted_before, self.counted_after)
        return min(self.base_before, self.base_after)

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Bounds of the change of the share, 95 % (Newcombe)."""
        return newcombe(self.counted_after, self.base_after, self.counted_before, self.base_before)

    @property
    def p_value(self) -> float:
        """How easily chance alone moves the share so far."""
        return difference_p(
            self.counted_after, self.base_after, self.counted_before, self.base_before
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A rate before and after, and the parts whose effects add up to the difference exactly."""

    paid_before: int
    orders_before: int
    paid_after: int
    orders_after: int
    parts: tuple[Part, ...]

    @property
    def before(self) -> float | None:
        """The rate of the earlier period."""
        return ratio(self.paid_before, self.orders_before)

    @property
    def after(self) -> float | None:
        """The rate of the later period."""
        return ratio(self.paid_after, self.orders_after)

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Bounds of the difference, 95 %."""
        return newcombe(self.paid_after, self.orders_after, self.paid_before, self.orders_before)

    @property
    def is_sure(self) -> bool:
        """True if the interval of the difference leaves out zero."""
        low, high = self.interval
        return low is not None and high is not None and (low > 0 or high < 0)

    @property
    def mix(self) -> Fraction:
        """The part of the change that comes from another composition of the orders."""
        return sum((part.effect for part in self.parts if part.reason is None), Fraction(0))

    @property
    def rate(self) -> Fraction:
        """The part of the change that comes from other rates within the slices."""
        return sum((part.effect for part in self.parts if part.reason is not None), Fraction(0))

    def contributors(self, limit: int = 12) -> list[Part]:
        """The parts that are more than noise, the largest effect first."""
        sure = [part for part in self.parts if part.is_sure and part.effect]
        return sorted(sure, key=lambda part: -abs(part.effect))[:limit]


def explain(reader: Reader, earlier: Question, later: Question) -> Change | None:
    """The change of order conversion from one period to another; None where one has no orders."""
    marks = reader.watermarks()
    needed = metric_named("conversion").needs
    if not all(any(source in marks for source in sources) for sources in needed):
        return None
    known = [marks[next(s for s in sources if s in marks)] for sources in needed]
    before, after = (
        _cells(Asked(reader, question, min(known), frozenset(marks)), question)
        for question in (earlier, later)
    )
    return decomposed(before, after)


def _cells(asked: Asked, question: Question) -> dict[Slice, Counter[str]]:
    whole = Question(question.first_day, question.last_day, (), question.where)
    return cells_of(asked.rows(filled("change", whole)))


def cells_of(rows: Iterable[Row]) -> dict[Slice, Counter[str]]:
    """Orders by outcome for each slice."""
    found: dict[Slice, Counter[str]] = {}
    for row in rows:
        key = (row["channel"], row["product"], row["client"])
        found.setdefault(key, Counter())[row["outcome"]] += row["orders"]
    return found


def decomposed(
    before: Mapping[Slice, Mapping[str, int]], after: Mapping[Slice, Mapping[str, int]]
) -> Change | None:
    """Split the change of the paid share over slices and reasons; None without orders on a side."""
    whole0, whole1 = (
        sum(sum(counts.values()) for counts in side.values()) for side in (before, after)
    )
    if not whole0 or not whole1:
        return None
    paid0, paid1 = (
        sum(counts.get("paid", 0) for counts in side.values()) for side in (before, after)
    )
    centre = (Fraction(paid0, whole0) + Fraction(paid1, whole1)) / 2
    parts: list[Part] = []
    for key in sorted({*before, *after}, key=str):
        parts += _parts(
            key, before.get(key, _NONE), after.get(key, _NONE), (whole0, whole1), centre
        )
    return Change(paid0, whole0, paid1, whole1, tuple(_filtered(parts)))


def _parts(
    key: Slice, before: Mapping[str, int], after: Mapping[str, int], wholes: tuple[int, int],
    centre: Fraction,
) -> list[Part]:
    """The mix effect of a slice, and the rate effect of each reason in it.

    A slice that exists on one side only has no change of rate: all it adds is mix. Rates in the
    mix effect are taken against the overall one, which changes no sum and shows which way a slice
    pulls.
    """
    n0, n1 = sum(before.values()), sum(after.values())
    w0, w1 = Fraction(n0, wholes[0]), Fraction(n1, wholes[1])
    r1 = Fraction(after.get("paid", 0), n1) if n1 else Fraction(before.get("paid", 0), n0)
    r0 = Fraction(before.get("paid", 0), n0) if n0 else r1
    mix = (w1 - w0) * ((r0 + r1) / 2 - centre)
    parts = [Part(key, None, mix, n0, wholes[0], n1, wholes[1])]
    if not n0 or not n1:
        return parts
    for reason in sorted(({*before, *after}) - {"paid"}):
        lost0, lost1 = before.get(reason, 0), after.get(reason, 0)
        effect = (w0 + w1) / 2 * (Fraction(lost0, n0) - Fraction(lost1, n1))
        parts.append(Part(key, reason, effect, lost0, n0, lost1, n1))
    return parts


def _filtered(parts: list[Part]) -> list[Part]:
    """Mark the parts that are more than noise: enough orders, and a share that surely moved."""
    tested = [part for part in parts if part.orders >= LEAST_COUNT]
    p_values = [part.p_value for part in tested]
    kept = (
        discoveries(p_values)
        if len(tested) > MANY_SLICES
        else [p_value < 0.05 for p_value in p_values]
    )
    sure = {id(part) for part, is_kept in zip(tested, kept, strict=True) if is_kept}
    return [replace(part, is_sure=id(part) in sure) for part in parts]

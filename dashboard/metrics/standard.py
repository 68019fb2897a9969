"""Orders of one kind against earlier ones of the same mix: direct standardisation over cells.

A group's value in a cell is a sum over its orders: of ones and zeros for a rate, of fen for a mean.
With n₁ orders of ours and n₀ earlier ones in each cell that both have, and N = Σ n₁, the earlier
orders' mean is Σ n₁/N · mean₀, what they would have had with our mix. It is as sure as the mean of
N² ÷ Σ n₁²/n₀ orders (Kish 1965): cells are too small to estimate a spread in each, so all share one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.metrics.intervals import LEAST_COUNT, Z95, difference_p, discoveries, newcombe

MANY_TESTS = 10
Cells = Mapping[Any, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Counted:
    """Which sums of a cell make a mean: how many orders, of what, and of its squares."""

    count: str
    total: str
    squares: str | None = None

    @property
    def is_share(self) -> bool:
        """True if the total counts orders, so that their mean is a rate."""
        return self.squares is None


@dataclass(frozen=True, slots=True)
class Group:
    """A mean, the mean of squares, and of how many orders; effective ones where standardised."""

    size: float
    mean: float
    square: float

    @property
    def error(self) -> float:
        """The mean's squared standard error; `size` must exceed 1."""
        return max(self.square - self.mean * self.mean, 0) / (self.size - 1)


@dataclass(frozen=True, slots=True)
class Difference:
    """One mean less another, its 95 % interval, and how easily chance alone brings it."""

    value: float
    low: float
    high: float
    p_value: float
    is_enough: bool

    @property
    def leaves_out_zero(self) -> bool:
        """True if the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Matched:
    """Ours in the cells that both have, the earlier orders standardised, and how many these are."""

    ours: Group
    earlier: Group
    orders: int


def together(cells: Cells, counted: Counted) -> Group | None:
    """All cells as one group; None without orders."""
    size = sum(cell[counted.count] for cell in cells.values())
    if not size:
        return None
    total = sum(cell[counted.total] for cell in cells.values())
    squares = sum(cell[counted.squares or counted.total] for cell in cells.values())
    return Group(size, total / size, squares / size)


def matched(ours: Cells, earlier: Cells, counted: Counted) -> Matched | None:
    """Ours and the earlier orders in the cells that both have; None where they share none."""
    count = counted.count
    both = {key: cell for key, cell in ours.items()
            if cell[count] and key in earlier and earlier[key][count]}
    own = together(both, counted)
    if own is None:
        return None
    pairs = [(both[key][count], earlier[key]) for key in both]
    group = Group(
        own.size**2 / sum(weight * weight / cell[count] for weight, cell in pairs),
        sum(weight * cell[counted.total] / cell[count] for weight, cell in pairs) / own.size,
        sum(weight * cell[counted.squares or counted.total] / cell[count] for weight, cell in pairs)
        / own.size,
    )
    return Matched(own, group, sum(cell[count] for _, cell in pairs))


def difference(one: Group, other: Group, counted: Counted) -> Difference | None:
    """One less the other: Newcombe for rates, normal with unequal variances for amounts."""
    is_enough = min(one.size, other.size) >= LEAST_COUNT
    if counted.is_share:
        parts = one.mean * one.size, one.size, other.mean * other.size, other.size
        low, high = newcombe(*parts)
        if low is None or high is None:
            return None
        return Difference(one.mean - other.mean, low, high, difference_p(*parts), is_enough)
    if min(one.size, other.size) < 2:
        return None
    change, error = one.mean - other.mean, math.sqrt(one.error + other.error)
    p_value = math.erfc(abs(change) / error / math.sqrt(2)) if error else float(change == 0)
    return Difference(change, change - Z95 * error, change + Z95 * error, p_value, is_enough)


def standing(found: Sequence[Difference | None]) -> list[bool | None]:
    """Which differences are more than chance; None for those of too few orders to say.

    By the interval; among more than ten also by Benjamini and Hochberg (D22).
    """
    tested = [item for item in found if item is not None and item.is_enough]
    kept = [item.leaves_out_zero for item in tested]
    if len(tested) > MANY_TESTS:
        by_rank = discoveries([item.p_value for item in tested])
        kept = [is_sure and is_found for is_sure, is_found in zip(kept, by_rank, strict=True)]
    told = {id(item): is_kept for item, is_kept in zip(tested, kept, strict=True)}
    return [told.get(id(item)) for item in found]

"""Intervals and ratios: METRICS D22."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054
LEAST_COUNT = 30
"""A rate of fewer is greyed, ranked nowhere and compared with nothing."""


def ratio(part: int | None, whole: int | None) -> float | None:
    """part / whole, unrounded; None without a denominator."""
    return None if not whole or part is None else part / whole


def wilson(part: float, whole: float, z: float = Z95) -> tuple[float | None, float | None]:
    """Bounds of the Wilson score interval of a proportion; (None, None) without a denominator.

    `whole` may be an effective number, `part` the share of it.
    """
    if whole <= 0:
        return None, None
    share, square = part / whole, z * z
    centre = share + square / (2 * whole)
    spread = z * math.sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    scale = 1 + square / whole
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (0.0 if part == 0 else low), (1.0 if part == whole else high)


def newcombe(
    part1: float, whole1: float, part0: float, whole0: float
) -> tuple[float | None, float | None]:
    """Bounds of the difference of two proportions (1 less 0), Newcombe's hybrid interval."""
    low1, high1 = wilson(part1, whole1)
    low0, high0 = wilson(part0, whole0)
    if low1 is None or high1 is None or low0 is None or high0 is None:
        return None, None
    share1, share0 = part1 / whole1, part0 / whole0
    change = share1 - share0
    return (
        change - math.hypot(share1 - low1, high0 - share0),
        change + math.hypot(high1 - share1, share0 - low0),
    )


def difference_p(part1: float, whole1: float, part0: float, whole0: float) -> float:
    """Two-sided p-value that two proportions are one (pooled normal test); 1 without data."""
    if whole1 <= 0 or whole0 <= 0:
        return 1.0
    pooled = (part1 + part0) / (whole1 + whole0)
    spread = math.sqrt(max(pooled * (1 - pooled), 0) * (1 / whole1 + 1 / whole0))
    if spread == 0:
        return 1.0
    return math.erfc(abs(part1 / whole1 - part0 / whole0) / spread / math.sqrt(2))


def discoveries(p_values: Sequence[float], rate: float = 0.05) -> list[bool]:
    """Which of these tests stand by Benjamini and Hochberg at this false discovery rate."""
    ranked = sorted(range(len(p_values)), key=lambda at: p_values[at])
    last = max(
        (rank for rank, at in enumerate(ranked, 1) if p_values[at] <= rate * rank / len(p_values)),
        default=0,
    )
    kept = set(ranked[:last])
    return [at in kept for at in range(len(p_values))]

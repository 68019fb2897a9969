"""Intervals and ratios: METRICS D22."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def ratio(part: int | None, whole: int | None) -> float | None:
    """part / whole, unrounded; None without a denominator."""
    return None if not whole or part is None else part / whole


def wilson(part: int, whole: int, z: float = Z95) -> tuple[float | None, float | None]:
    """Bounds of the Wilson score interval of a proportion; (None, None) without a denominator."""
    if whole <= 0:
        return None, None
    share, square = part / whole, z * z
    centre = share + square / (2 * whole)
    spread = z * math.sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    scale = 1 + square / whole
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (0.0 if part == 0 else low), (1.0 if part == whole else high)

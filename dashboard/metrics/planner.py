"""How many orders a test with a hold-out group needs to see a given lift of a conversion.

For one two-sided test at 5 % and one look at its end. Without continuity correction, since the
intervals that judge campaigns have none; with it groups of one size would need about 4 ÷ |lift| orders
more. Not corrected for many campaigns at once: how many will stand beside it is not known before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from loaders.errors import RefusedInput

LIFTS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
POWERS = (0.8, 0.9, 0.95)
ERROR = 0.05
"""A test is two-sided: so often it sees a lift where there is none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A test of a lift: so many orders with the campaign, so many held out."""

    base: float
    lift: float
    power: float
    share: float
    treated: int
    held: int

    @property
    def orders(self) -> int:
        """Orders of both groups."""
        return self.treated + self.held

    def days(self, orders_a_day: float) -> int | None:
        """Days until so many orders have come; None while none come."""
        return math.ceil(self.orders / orders_a_day) if orders_a_day > 0 else None


def plan(base: float, lift: float, power: float = 0.8, share: float = 0.5) -> Plan:
    """The orders needed to see conversion go from `base` to `base + lift`.

    `share` of all orders are held out. The normal test of two proportions without continuity
    correction (Fleiss, Levin and Paik 2003, chapter 4). Raises RefusedInput.
    """
    target = base + lift
    if not (0 < base < 1 and 0 < target < 1) or lift == 0:
        raise RefusedInput("The rate and the rate with the lift must lie between 0 % and 100 %.")
    if not 0 < share < 1 or not 0.5 <= power < 1:
        raise RefusedInput(
            "The share held out must lie between 0 % and 100 %, the power between 50 % and 100 %."
        )
    ratio = share / (1 - share)
    treated = _treated(base, target, ratio, power)
    return Plan(base, lift, power, share, math.ceil(treated), math.ceil(treated * ratio))


def _treated(base: float, target: float, ratio: float, power: float) -> float:
    """Orders with the campaign, where for each of them `ratio` orders are held out."""
    pooled = (target + ratio * base) / (1 + ratio)
    sure = NormalDist().inv_cdf(1 - ERROR / 2)
    seen = NormalDist().inv_cdf(power)
    chance = sure * math.sqrt((1 + ratio) * pooled * (1 - pooled))
    real = seen * math.sqrt(ratio * target * (1 - target) + base * (1 - base))
    return (chance + real) ** 2 / (ratio * (target - base) ** 2)


def power_of(base: float, lift: float, treated: int, held: int) -> float:
    """The chance that a test of this size sees the lift (the far side of the test left out)."""
    target = base + lift
    pooled = (treated * target + held * base) / (treated + held)
    chance = math.sqrt(pooled * (1 - pooled) * (1 / treated + 1 / held))
    real = math.sqrt(target * (1 - target) / treated + base * (1 - base) / held)
    sure = NormalDist().inv_cdf(1 - ERROR / 2)
    return NormalDist().cdf((abs(lift) - sure * chance) / real)


def plan_rows(
    base: float, orders_a_day: float, power: float, share: float, lifts: tuple[float, ...] = LIFTS
) -> list[dict[str, object]]:
    """For each lift that the rate leaves room for: the rate with it, orders needed, days they take."""
    rows: list[dict[str, object]] = []
    for lift in lifts:
        if 0 < base < 1 and base + lift < 1:
            made = plan(base, lift, power, share)
            rows.append({
                "lift_rate": lift, "target_rate": base + lift, "needed": made.orders,
                "needed_held": made.held, "needed_days": made.days(orders_a_day),
            })
    return rows

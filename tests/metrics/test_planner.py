"""Sample sizes against published ones, and the planner's inverse."""

from __future__ import annotations

import math
import random

import pytest
from scipy.stats import binom

from dashboard.metrics.planner import Plan, _treated, plan, plan_rows, power_of
from loaders.errors import RefusedInput


def test_published_sample_sizes() -> None:
    """R's documentation of power.prop.test: 76.7 a group; Fleiss, table A.4 without continuity."""
    assert plan(0.50, 0.25, power=0.90).treated == 77
    assert power_of(0.50, 0.25, 50, 50) == pytest.approx(0.740, abs=5e-4)
    assert plan(0.10, 0.10).treated == 199
    assert plan(0.60, 0.10).treated == 356


@pytest.mark.parametrize(("ratio", "published"), [(1, 127.2343), (3, 83.1527)])
def test_published_sizes_of_unequal_groups(ratio: float, published: float) -> None:
    """45 % against 25 % at a power of 90 %: Zar 1999, p. 561, in Unistat's guide (6.7.6.1).

    Those sizes have Fleiss's continuity correction, which is put on top of ours here.
    """
    size = _treated(0.25, 0.45, ratio, 0.9)
    more = 2 * (ratio + 1) / (size * ratio * 0.2)
    assert size / 4 * (1 + math.sqrt(1 + more)) ** 2 == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_the_power_by_every_possible_result(share: float) -> None:
    """Exact: both binomials summed over the results that the pooled test would call a lift."""
    base, lift = 0.6, 0.15
    made = plan(base, lift, 0.8, share)
    seen = 0.0
    for paid in range(made.treated + 1):
        chance = binom.pmf(paid, made.treated, base + lift)
        if chance > 1e-9:
            least = [held for held in range(made.held + 1) if is_lift(made, paid, held)]
            seen += chance * binom.cdf(max(least, default=-1), made.held, base)
    assert seen == pytest.approx(0.8, abs=0.02)


def is_lift(made: Plan, paid: int, held: int) -> bool:
    gain = paid / made.treated - held / made.held
    pooled = (paid + held) / made.orders
    error = math.sqrt(pooled * (1 - pooled) * (1 / made.treated + 1 / made.held))
    return gain > 1.959964 * error


@pytest.mark.parametrize("share", [0.5, 0.2, 0.1, 0.7])
def test_a_test_so_large_has_the_power_asked_for(share: float) -> None:
    for base, lift in ((0.85, 0.02), (0.3, 0.05), (0.85, -0.03)):
        made = plan(base, lift, 0.8, share)
        assert made.held / made.orders == pytest.approx(share, abs=0.002)
        assert power_of(base, lift, made.treated, made.held) == pytest.approx(0.8, abs=0.002)


def test_trials_see_the_lift_as_often_as_planned() -> None:
    """The plan against simulated campaigns, judged by the interval of the campaigns themselves."""
    from dashboard.metrics.intervals import newcombe

    made, draw, seen = plan(0.6, 0.2, 0.8), random.Random(3), 0
    for _ in range(600):
        paid = sum(draw.random() < 0.8 for _ in range(made.treated))
        held = sum(draw.random() < 0.6 for _ in range(made.held))
        low, _ = newcombe(paid, made.treated, held, made.held)
        assert low is not None
        seen += low > 0
    assert seen / 600 == pytest.approx(0.8, abs=0.05)


def test_what_no_rate_leaves_room_for_is_refused_or_left_out() -> None:
    with pytest.raises(RefusedInput):
        plan(0.95, 0.1)
    with pytest.raises(RefusedInput):
        plan(0.5, 0.1, share=1.0)
    assert [row["lift_rate"] for row in plan_rows(0.96, 10, 0.8, 0.5)] == [0.005, 0.01, 0.02, 0.03]
    assert plan_rows(0.5, 0, 0.8, 0.5)[0]["needed_days"] is None

"""Sample sizes against published ones, and the planner's inverse."""

from __future__ import annotations

import random

import pytest

from dashboard.metrics.planner import plan, plan_rows, power_of
from loaders.errors import RefusedInput


def test_published_sample_sizes() -> None:
    """R's documentation of power.prop.test: 76.7 a group; Fleiss, table A.4 without continuity."""
    assert plan(0.50, 0.25, power=0.90).treated == 77
    assert power_of(0.50, 0.25, 50, 50) == pytest.approx(0.740, abs=5e-4)
    assert plan(0.10, 0.10).treated == 199
    assert plan(0.60, 0.10).treated == 356


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

"""Standardised comparisons: worked by hand, over and over by lot, and among many."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime

import pytest

from dashboard.charts.campaigns import effects
from dashboard.charts.figures import COLOURS
from dashboard.metrics.campaigns import _joined
from dashboard.metrics.standard import Counted, Difference, difference, matched, standing
from dashboard.wording import speaker

PAID = Counted("orders", "paid")
VALUE = Counted("orders", "fen", "squares")


def test_two_cells_by_hand() -> None:
    """3/4 of ours are morning orders; 2 of 4 earlier ones were paid there, 1 of 1 in the evening."""
    ours = {"am": Counter(orders=6, paid=5), "pm": Counter(orders=2, paid=2),
            "night": Counter(orders=9, paid=9)}
    earlier = {"am": Counter(orders=4, paid=2), "pm": Counter(orders=1, paid=1),
               "noon": Counter(orders=50, paid=0)}
    pair = matched(ours, earlier, PAID)
    assert pair is not None
    assert (pair.ours.size, pair.ours.mean) == (8, 7 / 8)
    assert pair.earlier.mean == pytest.approx(0.75 * 0.5 + 0.25 * 1)
    assert pair.earlier.size == pytest.approx(64 / (36 / 4 + 4 / 1))
    assert pair.orders == 5
    assert matched({"am": Counter(orders=1)}, {"pm": Counter(orders=1)}, PAID) is None


def test_the_same_mix_is_no_weighting_at_all() -> None:
    ours = {cell: Counter(orders=2 * n, paid=n) for cell, n in enumerate((5, 10, 20))}
    earlier = {cell: Counter(orders=3 * n, paid=n) for cell, n in enumerate((5, 10, 20))}
    pair = matched(ours, earlier, PAID)
    assert pair is not None
    assert (pair.earlier.size, pair.earlier.mean) == pytest.approx((105, 1 / 3))


@pytest.mark.parametrize("counted", [PAID, VALUE])
@pytest.mark.parametrize("lift", [0.0, 0.07])
def test_intervals_hold_the_truth_as_often_as_they_say(counted: Counted, lift: float) -> None:
    """Sparse cells of unlike rates, as a small shop has them: 95 %, rather too often than too seldom."""
    draw = random.Random(11)
    plan = [(draw.randint(1, 8), draw.randint(1, 4), draw.uniform(0.6, 0.92)) for _ in range(90)]
    held = 0
    for _ in range(500):
        ours, earlier = {}, {}
        for cell, (n1, n0, rate) in enumerate(plan):
            ours[cell] = drawn(draw, n1, rate + lift)
            earlier[cell] = drawn(draw, n0, rate)
        pair = matched(ours, earlier, counted)
        assert pair is not None
        found = difference(pair.ours, pair.earlier, counted)
        assert found is not None
        truth = lift if counted is PAID else 3000 * lift
        held += found.low < truth < found.high
    assert 0.94 <= held / 500 <= 0.99


def drawn(draw: random.Random, size: int, rate: float) -> Counter[str]:
    """Orders of a cell; those paid are worth 30 yuan more on average than those that are not."""
    paid = [draw.random() < rate for _ in range(size)]
    fen = [2000 + 3000 * one + round(draw.gauss(0, 1500)) for one in paid]
    return Counter(orders=size, paid=sum(paid), fen=sum(fen), squares=sum(one * one for one in fen))


def found(p_value: float, low: float = 0.01, *, is_enough: bool = True) -> Difference:
    return Difference(0.05, low, 0.09, p_value, is_enough)


def test_among_more_than_ten_a_chance_find_does_not_stand() -> None:
    chance = [found(0.5, -0.04) for _ in range(9)]
    assert standing([found(0.04), *chance])[0] is True
    assert standing([found(0.04), *chance, found(0.6, -0.05)])[0] is False
    assert standing([found(0.0001), *chance, found(0.6, -0.05)])[0] is True


def test_too_few_orders_are_neither_judged_nor_counted_among_the_tests() -> None:
    chance = [found(0.5, -0.04) for _ in range(9)]
    few = found(0.001, is_enough=False)
    assert standing([found(0.04), *chance, few, None]) == [True, *[False] * 9, None, None]


def test_weeks_before_several_starts_are_read_once() -> None:
    starts = [datetime(2026, 3, 1, 8), datetime(2026, 3, 11), datetime(2026, 3, 1, 8),
              datetime(2026, 9, 1)]
    assert _joined(starts) == [
        (datetime(2026, 2, 1, 8), datetime(2026, 3, 11)), (datetime(2026, 8, 4), datetime(2026, 9, 1)),
    ]


def test_the_figure_draws_what_can_be_judged() -> None:
    def row(campaign: str, sure: bool | None, held: bool | None) -> dict[str, object]:
        ends = dict.fromkeys(("uplift", "uplift_low", "uplift_high"), 0.02)
        return {"campaign": campaign, **ends, **{f"holdout_{name}": 0.1 for name in ends},
                "uplift_sure": sure, "holdout_uplift_sure": held}

    say = speaker("en")
    assert effects([row("few", None, None)], say) is None
    figure = effects([row("few", None, None), row("a", True, None), row("b", False, True)], say)
    assert figure is not None
    before, held = figure.data
    assert (before.y, held.y) == (("a", "b"), ("b",))
    assert (before.marker.color, held.x) == ((COLOURS["good"], COLOURS["open"]), (10.0,))

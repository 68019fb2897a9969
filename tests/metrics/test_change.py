"""The change explainer: its parts add up exactly, noise is left out, planted causes are found."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dashboard.metrics.change import decomposed
from dashboard.metrics.intervals import LEAST_COUNT, difference_p, discoveries, newcombe
from dashboard.metrics.question import Question
from dashboard.metrics.spread import STAGES
from dashboard.metrics.worth import worth
from dashboard.services import Services
from loaders.settings import load_settings
from tests.conftest import Sample

OUTCOMES = ("paid", "paid_late", "channel_error", "user_abandoned", "insufficient_funds")
SLICES = st.tuples(st.just("alipay"), st.sampled_from("ABC"), st.sampled_from(["ios", "h5", None]))
SIDE = st.dictionaries(
    SLICES, st.dictionaries(st.sampled_from(OUTCOMES), st.integers(1, 10**6), min_size=1), max_size=9
)


@given(before=SIDE, after=SIDE)
def test_mix_and_rate_add_up_to_the_change_exactly(before, after) -> None:  # type: ignore[no-untyped-def]
    change = decomposed(before, after)
    if not before or not after:
        assert change is None
        return
    assert change is not None
    paid = [sum(c.get("paid", 0) for c in side.values()) for side in (before, after)]
    whole = [sum(sum(c.values()) for c in side.values()) for side in (before, after)]
    moved = Fraction(paid[1], whole[1]) - Fraction(paid[0], whole[0])
    assert change.mix + change.rate == moved
    assert sum(part.effect for part in change.parts) == moved


def test_the_mix_effect_is_that_of_the_definition() -> None:
    before = {("alipay", "A", None): Counter(paid=90, channel_error=10),
              ("alipay", "B", None): Counter(paid=50, channel_error=50)}
    after = {("alipay", "A", None): Counter(paid=45, channel_error=5),
             ("alipay", "B", None): Counter(paid=60, channel_error=90)}
    change = decomposed(before, after)
    assert change is not None
    weights = [(Fraction(1, 2), Fraction(1, 4)), (Fraction(1, 2), Fraction(3, 4))]
    rates = [(Fraction(9, 10), Fraction(9, 10)), (Fraction(1, 2), Fraction(2, 5))]
    mix = sum((w1 - w0) * (r0 + r1) / 2 for (w0, w1), (r0, r1) in zip(weights, rates, strict=True))
    assert change.mix == mix
    assert change.rate == Fraction(5, 8) * Fraction(-1, 10)


def test_a_planted_cause_stands_out_and_noise_does_not() -> None:
    draw = random.Random(7)
    before, after = {}, {}
    for product in "ABCDEF":
        for client in ("ios", "android", "h5"):
            for side in (before, after):
                lost = sum(draw.random() < 0.08 for _ in range(800))
                side["alipay", product, client] = Counter(paid=800 - lost, user_abandoned=lost)
    broken = after["alipay", "C", "h5"]
    broken["paid"] -= 150
    broken["channel_error"] = 150
    change = decomposed(before, after)
    assert change is not None
    assert change.is_sure
    assert [(part.slice[1:], part.reason) for part in change.contributors()] == [
        (("C", "h5"), "channel_error")
    ]


def test_slices_of_few_orders_are_not_ranked() -> None:
    few = LEAST_COUNT - 1
    change = decomposed(
        {("a", "A", None): Counter(paid=few), ("a", "B", None): Counter(paid=900, unmapped=100)},
        {("a", "A", None): Counter(unmapped=few), ("a", "B", None): Counter(paid=900, unmapped=100)},
    )
    assert change is not None
    assert all(part.slice[1] != "A" for part in change.contributors())


def test_newcombe_agrees_with_its_published_examples() -> None:
    low, high = newcombe(56, 70, 48, 80)
    assert low is not None
    assert high is not None
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_benjamini_and_hochberg_on_their_published_example() -> None:
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
                0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert discoveries(p_values) == [True] * 4 + [False] * 11
    assert discoveries([]) == []
    assert difference_p(5, 10, 5, 10) == 1


def test_the_explainer_reads_what_conversion_reads(sample: Sample) -> None:
    last = sample.merchant.last_day
    services = Services(load_settings(sample.home))
    later = Question(last - timedelta(days=29), last)
    change = services.change(later.shifted(30), later)
    assert change is not None
    for question, paid, orders in (
        (later, change.paid_after, change.orders_after),
        (later.shifted(30), change.paid_before, change.orders_before),
    ):
        row = services.metric("conversion", question).rows[0]
        assert (row["paid"], row["matured"]) == (paid, orders)
    services.reader.close()


def test_what_a_fix_is_worth_adds_up_to_what_failures_lost(sample: Sample) -> None:
    last = sample.merchant.last_day
    services = Services(load_settings(sample.home))
    question = Question(last - timedelta(days=400), last)
    split = question.split("product", "client")
    rows = worth(services.metric("failures", split), services.metric("conversion", split), 401)
    whole = services.metric("failures", question).rows
    assert sum(row["lost_fen"] for row in rows) == sum(row["lost_fen"] for row in whole)
    assert all(row["best_fen"] is None or 0 <= row["best_fen"] <= row["lost_fen"] for row in rows)
    services.reader.close()


def test_the_spread_holds_every_measured_order(sample: Sample) -> None:
    last = sample.merchant.last_day
    services = Services(load_settings(sample.home))
    question = Question(last - timedelta(days=400), last)
    for stage in STAGES:
        told = next(r for r in services.metric("latency", question).rows if r["stage"] == stage)
        assert sum(bar.orders for bar in services.spread(question, stage)) == told["count"]
    narrow = Question(question.first_day, last, (), {"client": ["ios"]})
    told = next(r for r in services.metric("latency", narrow).rows if r["stage"] == "channel")
    assert sum(bar.orders for bar in services.spread(narrow, "channel")) == told["count"]
    services.reader.close()

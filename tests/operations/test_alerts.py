"""Windows in, episodes out: statistics computed another way, and the story of an outage."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.metrics.alert_windows import NEVER, Cell, LatencyCell, Load, bucket_seconds
from dashboard.metrics.intervals import wilson
from dashboard.operations.alert_rules import Freshness, Latency, SuccessRate, Traffic, read_rule
from dashboard.operations.alerts import (
    QUARTER,
    WEEK,
    Z98,
    Episode,
    Judged,
    Series,
    Verdict,
    at_most,
    cut,
    episodes,
    latency_windows,
    monday,
    percentile,
    predicted,
    rate_recovered,
    rate_windows,
    stale_episodes,
    traffic_windows,
    twice_good,
)
from loaders.errors import RefusedInput

MONDAY = datetime(2026, 10, 26)
HOUR = timedelta(hours=1)


def judged(verdicts: str) -> list[Judged]:
    names: dict[str, Verdict] = {"b": "bad", "f": "fair", "g": "good"}
    return [
        Judged(MONDAY + at * QUARTER, MONDAY + (at + 1) * QUARTER, 0.5 if v == "b" else 0.9, 0.9,
               50 + at, names[v])
        for at, v in enumerate(verdicts)
    ]


def spans(verdicts: str) -> list[tuple[int, int | None]]:
    """Episodes as numbers of windows: the first, and the one behind the last bad one."""
    found = episodes(judged(verdicts), twice_good, worst_is_low=True)
    return [
        ((e.begun_at - MONDAY) // QUARTER,
         None if e.ended_at is None else (e.ended_at - MONDAY) // QUARTER)
        for e in found
    ]


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ("", []),
        ("gggg", []),
        ("gbgbgb", []),
        ("gbb", [(1, None)]),
        ("gbbgg", [(1, 3)]),
        ("bbgbgg", [(0, 4)]),
        ("bbgfgfgg", [(0, 2)]),
        ("bfb", []),
        ("bbggbbbgg", [(0, 2), (4, 7)]),
        ("bbgg" * 3, [(0, 2), (4, 6), (8, 10)]),
    ],
)
def test_an_episode_begins_with_two_bad_windows_and_ends_with_two_good(
    verdicts: str, wanted: list[tuple[int, int | None]]
) -> None:
    assert spans(verdicts) == wanted


def test_an_episode_tells_the_worst_window_with_its_own_sample() -> None:
    windows = judged("bbb")
    low = Judged(windows[1].begin, windows[1].end, 0.1, 0.8, 77, "bad")
    [episode] = episodes([windows[0], low, windows[2]], twice_good, worst_is_low=True)
    assert (episode.worst, episode.baseline, episode.n) == (0.1, 0.8, 77)
    assert episode.noticed_at == windows[1].end


@settings(max_examples=200, deadline=None)
@given(st.text("bfg", max_size=40), st.integers(0, 40))
def test_a_longer_look_finds_the_same_episodes(verdicts: str, at: int) -> None:
    """What was over stays as it was, however many windows come later."""
    before = [span for span in spans(verdicts[:at]) if span[1] is not None]
    assert spans(verdicts)[: len(before)] == before


def test_small_samples_recover_together() -> None:
    """Fifty orders a window never satisfy the lower bound; four windows together do."""
    recovered = rate_recovered(SuccessRate())
    usual = [Judged(MONDAY, MONDAY, 0.88, 0.88, 50, "fair")] * 4
    low = [Judged(MONDAY, MONDAY, 0.8, 0.88, 50, "fair")] * 30
    bound = wilson(44, 50, Z98)[0]
    assert bound is not None
    assert bound < 0.88 - 0.015
    assert recovered(usual)
    assert not recovered(usual[:3])
    assert not recovered(low)


def poisson_at_most(count: int, mean: Fraction) -> float:
    total, term = Fraction(0), Fraction(1)
    for k in range(count + 1):
        total += term
        term = term * mean / (k + 1)
    return float(total) * math.exp(-float(mean))


@pytest.mark.parametrize("mean", [1, 7, 20, 60])
@pytest.mark.parametrize("count", [0, 3, 12, 70])
def test_the_poisson_tail(count: int, mean: int) -> None:
    wanted = poisson_at_most(count, Fraction(mean))
    assert at_most(count, mean, mean) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("size", "chance"), [(3, Fraction(1, 3)), (20, Fraction(1, 2))])
@pytest.mark.parametrize("count", [0, 2, 9, 30])
def test_the_negative_binomial_tail(count: int, size: int, chance: Fraction) -> None:
    """Of trials until `size` successes, those with at most `count` failures, exactly."""
    wanted = sum(
        math.comb(k + size - 1, k) * chance**size * (1 - chance) ** k for k in range(count + 1)
    )
    mean = float(size * (1 - chance) / chance)
    variance = float(size * (1 - chance) / chance**2)
    assert at_most(count, mean, variance) == pytest.approx(float(wanted), rel=1e-9)


def test_the_tail_of_a_large_count_does_not_underflow() -> None:
    assert at_most(50_000, 50_000, 62_500) == pytest.approx(0.5, abs=0.01)
    assert 0 <= at_most(40_000, 50_000, 62_500) < 1e-12


def test_the_next_count_is_less_sure_than_the_last_ones() -> None:
    mean, variance = predicted([10, 20, 30, 40])
    assert mean == 25
    assert variance == pytest.approx((225 + 25 + 25 + 225) / 3 * 1.25)
    assert predicted([9, 9, 9, 9]) == (9, 9 * 1.25)


def test_windows_grow_until_they_can_be_judged_and_are_cut_anew_on_monday() -> None:
    def every_hour(begin: datetime, end: datetime) -> bool:
        return end - begin >= HOUR

    found = list(cut(MONDAY + HOUR, MONDAY + WEEK + HOUR, QUARTER, 24 * HOUR, every_hour))
    assert found[0] == (MONDAY, MONDAY + HOUR)
    assert {end - begin for begin, end in found} == {HOUR}
    late = list(cut(MONDAY + 5 * WEEK / 7, MONDAY + WEEK + HOUR, QUARTER, 24 * HOUR, every_hour))
    assert late == found
    assert list(cut(MONDAY, MONDAY + WEEK, QUARTER, HOUR, lambda a, b: False)) == []
    assert monday(datetime(2026, 11, 1, 23, 59)) == MONDAY


def shop(
    weeks: int, rate: float, orders: int, seed: int = 1, *, down: tuple[int, int] | None = None,
    gone: tuple[int, int] | None = None,
) -> Series:
    """A shop with `orders` a quarter; in the last week, payments fail or orders stay away."""
    chance, begin = random.Random(seed), MONDAY - weeks * WEEK
    cells = []
    for at in range((weeks + 1) * 672):
        in_last = at - weeks * 672
        n = sum(chance.random() < 0.5 for _ in range(2 * orders))
        if gone and gone[0] <= in_last < gone[1]:
            n = 0
        wanted = 0.2 if down and down[0] <= in_last < down[1] else rate
        cells.append(Cell(begin + at * QUARTER, n, n, sum(chance.random() < wanted for _ in range(n))))
    return Series(cells, begin, MONDAY + WEEK)


def rate_episodes(series: Series, rule: SuccessRate) -> Sequence[Episode]:
    windows = rate_windows(series, rule, MONDAY, MONDAY + WEEK)
    return episodes(windows, rate_recovered(rule), worst_is_low=True)


@pytest.mark.parametrize("orders", [80, 20])
def test_an_outage_is_one_episode_and_a_usual_week_none(orders: int) -> None:
    rule = SuccessRate()
    assert rate_episodes(shop(4, 0.88, orders), rule) == []
    [episode] = rate_episodes(shop(4, 0.88, orders, down=(300, 312)), rule)
    assert abs(episode.begun_at - (MONDAY + 300 * QUARTER)) <= 3 * QUARTER
    assert episode.ended_at is not None
    assert abs(episode.ended_at - (MONDAY + 312 * QUARTER)) <= 3 * QUARTER
    assert episode.worst < 0.4
    assert episode.baseline == pytest.approx(0.88, abs=0.05)
    assert episode.n >= 50


@pytest.mark.parametrize("orders", [40, 15, 5])
def test_usual_weeks_raise_nothing(orders: int) -> None:
    """Twelve shops in which nothing happens but chance."""
    for seed in range(100, 112):
        assert rate_episodes(shop(4, 0.88, orders, seed), SuccessRate()) == []


def test_the_baseline_is_the_median_of_the_same_hour_of_four_weeks() -> None:
    """One bad week among four does not move it, and other hours do not count."""
    begin = MONDAY - 4 * WEEK
    cells = [
        Cell(begin + week * WEEK + at * QUARTER, 100, 100, paid if 40 <= at < 44 else 1)
        for week, paid in enumerate((90, 10, 80, 84, 86))
        for at in range(672)
    ]
    windows = rate_windows(Series(cells, begin, MONDAY + WEEK), SuccessRate(), MONDAY, MONDAY + WEEK)
    at_ten = [window for window in windows if window.begin == MONDAY + 41 * QUARTER]
    assert [window.baseline for window in at_ten] == [pytest.approx((0.80 + 0.84) / 2)]


def test_a_rate_is_bad_exactly_where_its_interval_ends_below_the_margin() -> None:
    begin = MONDAY - 4 * WEEK
    for paid in range(60, 91):
        cells = [
            Cell(begin + week * WEEK, 100, 100, 90 if week < 4 else paid) for week in range(5)
        ]
        series = Series(cells, begin, MONDAY + WEEK)
        [window] = rate_windows(series, SuccessRate(), MONDAY, MONDAY + HOUR)
        # Wilson, solved as the roots of (p - x)^2 = z^2 x (1 - x) / n
        n, z2, p = 100, Z98 * Z98, paid / 100
        a, b, c = 1 + z2 / n, -(2 * p + z2 / n), p * p
        upper = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
        assert (window.verdict == "bad") == (upper < 0.9 - 0.03), paid


def test_without_history_nothing_is_judged() -> None:
    assert rate_windows(shop(0, 0.5, 80), SuccessRate(), MONDAY, MONDAY + WEEK) == []
    series = shop(1, 0.5, 80)
    assert traffic_windows(series, Traffic(), MONDAY, MONDAY + WEEK, MONDAY - WEEK) == []


def traffic_episodes(series: Series) -> Sequence[Episode]:
    windows = traffic_windows(series, Traffic(), MONDAY, MONDAY + WEEK, series.begin)
    return episodes(windows, twice_good, worst_is_low=True)


@pytest.mark.parametrize("orders", [60, 4])
def test_orders_that_stay_away_are_noticed(orders: int) -> None:
    assert traffic_episodes(shop(4, 0.9, orders)) == []
    [episode] = traffic_episodes(shop(4, 0.9, orders, gone=(300, 324)))
    assert episode.worst == 0
    assert abs(episode.begun_at - (MONDAY + 300 * QUARTER)) <= 6 * QUARTER


def latency(slow: tuple[int, int] | None, missing: bool = False) -> list[LatencyCell]:
    begin = MONDAY - 4 * WEEK
    usual, late = {300: 190, 350: 10}, {NEVER: 200} if missing else {600: 200}
    return [
        LatencyCell(
            begin + at * HOUR,
            late if slow and slow[0] <= at - 4 * 168 < slow[1] else usual,
        )
        for at in range(5 * 168)
    ]


@pytest.mark.parametrize("rule", [Latency(), Latency(threshold_s=60)])
@pytest.mark.parametrize("missing", [False, True])
def test_a_slow_afternoon_is_one_episode(rule: Latency, missing: bool) -> None:
    def told(cells: Sequence[LatencyCell]) -> Sequence[Episode]:
        windows = latency_windows(cells, rule, MONDAY, MONDAY + WEEK)
        return episodes(windows, twice_good, worst_is_low=False)

    assert told(latency(None)) == []
    [episode] = told(latency((60, 65), missing))
    assert (episode.begun_at, episode.ended_at) == (MONDAY + 60 * HOUR, MONDAY + 65 * HOUR)
    assert episode.worst == (math.inf if missing else bucket_seconds(600))


def test_a_percentile_of_buckets_is_that_of_their_spans() -> None:
    chance = random.Random(3)
    spans_ms = [chance.lognormvariate(7, 1) for _ in range(2_000)]
    counts: dict[int, int] = {}
    for span in spans_ms:
        bucket = math.floor(math.log(span + 1) / math.log(1.02))
        counts[bucket] = counts.get(bucket, 0) + 1
    for q in (0.5, 0.95, 0.99):
        exact = sorted(spans_ms)[math.ceil(q * 1_999)] / 1000
        assert percentile(counts, q) == pytest.approx(exact, rel=0.011)


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def test_a_source_is_stale_from_its_limit_to_the_load_that_ends_it() -> None:
    rule = Freshness(source="trade_bill", older_than_h=30)
    loads = [Load(at(10), at(0)), Load(at(29), at(24)), Load(at(90), at(30)),
             Load(at(100), at(96))]
    found = stale_episodes(loads, rule, at(0), at(110))
    assert found == [Episode(at(54), at(54), at(100), 70.0, 30, 1)]
    [still] = stale_episodes(loads, rule, at(120), at(130))
    assert (still.begun_at, still.ended_at, still.worst) == (at(126), None, 34.0)
    assert stale_episodes([], rule, at(0), at(100)) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"kind": "latency", "percentile": 0.95, "least": 99},
        {"kind": "latency", "stage": "teleport"},
        {"kind": "success_rate", "window_min": 10},
        {"kind": "success_rate", "by": ["buyer"]},
        {"kind": "freshness"},
        {"kind": "mood"},
        {},
    ],
)
def test_a_rule_that_cannot_hold_is_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(RefusedInput):
        read_rule(parameters)

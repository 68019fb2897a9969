"""Windows in, episodes out: the same pure functions judge live data and a backtest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from statistics import median
from typing import Literal

from dashboard.metrics.alert_windows import Cell, LatencyCell, Load, bucket_seconds
from dashboard.metrics.intervals import wilson
from dashboard.operations.alert_rules import (
    CONSECUTIVE,
    WEEKS,
    Freshness,
    Latency,
    SuccessRate,
    Traffic,
)

Z98 = 2.3263478740408408
QUARTER, HOUR, WEEK = timedelta(minutes=15), timedelta(hours=1), timedelta(days=7)
_MONDAY = datetime(2020, 1, 6)
_LEAST_WEEKS = 2
_SURER, _WIDEST = 3, 6
_POOLED = 4
_NORMAL_TAIL = 0.05
_CALMER = 0.8
Verdict = Literal["bad", "fair", "good"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A window with what was measured in it and what was to be expected. Naive UTC."""

    begin: datetime
    end: datetime
    value: float
    baseline: float
    n: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Episode:
    """From the first bad window to the end of the last; `ended_at` None while it lasts.

    `noticed_at` is the end of the window that raised the alert; `worst` the worst value, with
    the baseline and the sample of its window.
    """

    begun_at: datetime
    noticed_at: datetime
    ended_at: datetime | None
    worst: float
    baseline: float
    n: int


Recovered = Callable[[Sequence[Judged]], bool]
"""Given the windows since the last bad one: is it over?"""


def episodes(
    windows: Sequence[Judged], recovered: Recovered, *, worst_is_low: bool
) -> list[Episode]:
    """Episodes of judged windows in time order: raised by consecutive bad ones."""
    found: list[Episode] = []
    bad: list[Judged] = []
    since: list[Judged] = []
    for window in windows:
        if window.verdict == "bad":
            bad.append(window)
            since = []
        elif len(bad) < CONSECUTIVE:
            bad = []
        else:
            since.append(window)
            if recovered(since):
                found.append(_episode(bad, bad[-1].end, worst_is_low))
                bad, since = [], []
    if len(bad) >= CONSECUTIVE:
        found.append(_episode(bad, None, worst_is_low))
    return found


def _episode(bad: Sequence[Judged], ended_at: datetime | None, worst_is_low: bool) -> Episode:
    choose = min if worst_is_low else max
    worst = choose(bad, key=lambda window: window.value - window.baseline)
    return Episode(
        bad[0].begin, bad[CONSECUTIVE - 1].end, ended_at, worst.value, worst.baseline, worst.n
    )


def twice_good(since: Sequence[Judged]) -> bool:
    """The last two windows were good."""
    return len(since) >= CONSECUTIVE and all(
        window.verdict == "good" for window in since[-CONSECUTIVE:]
    )


def rate_recovered(rule: SuccessRate) -> Recovered:
    """Twice good; or, where samples are too small for that bound, all windows since together.

    With 50 orders a window the lower bound of a perfectly usual rate stays far below the
    baseline for ever; then four windows and more must together be back within the margin.
    """

    def recovered(since: Sequence[Judged]) -> bool:
        if twice_good(since):
            return True
        total = sum(window.n for window in since)
        rate = sum(window.value * window.n for window in since) / total
        usual = sum(window.baseline * window.n for window in since) / total
        return len(since) >= _POOLED and rate > usual - rule.recover_pp / 100

    return recovered


@dataclass(frozen=True)
class Series:
    """Counts by quarter of an hour of one slice, summed up so that any span is one difference."""

    cells: Sequence[Cell]
    begin: datetime
    end: datetime
    sums: dict[str, list[int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        size = max(0, -((self.begin - self.end) // QUARTER))
        for name in ("orders", "settled", "paid"):
            counts = [0] * size
            for cell in self.cells:
                at = (cell.begin - self.begin) // QUARTER
                if 0 <= at < size:
                    counts[at] += getattr(cell, name)
            self.sums[name] = [0, *accumulate(counts)]

    def total(self, name: str, begin: datetime, end: datetime) -> int:
        """How many in the span (whole quarters)."""
        sums = self.sums[name]
        last = len(sums) - 1
        first, stop = ((at - self.begin) // QUARTER for at in (begin, end))
        return sums[min(max(stop, 0), last)] - sums[min(max(first, 0), last)]


def monday(at: datetime) -> datetime:
    """The beginning of the week (UTC): windows are cut anew there, whenever one begins to look."""
    return at - (at - _MONDAY) % WEEK


def cut(
    first: datetime, last: datetime, step: timedelta, longest: timedelta,
    is_full: Callable[[datetime, datetime], bool],
) -> Iterator[tuple[datetime, datetime]]:
    """Spans one after the other from the Monday before `first`, each as short as fills it."""
    begin = monday(first)
    while begin < last:
        limit = min(begin + longest, monday(begin) + WEEK)
        end = begin + step
        while end < limit and not is_full(begin, end):
            end += step
        end = min(end, limit)
        if end > last:
            return
        if is_full(begin, end):
            yield begin, end
        begin = end


def rate_windows(
    series: Series, rule: SuccessRate, first: datetime, last: datetime
) -> list[Judged]:
    """Success rates judged against the median of the same hours in the four weeks before."""
    found = []
    for begin, end in cut(
        first, last, rule.window, rule.longest,
        lambda a, b: series.total("settled", a, b) >= rule.least,
    ):
        usual = _usual_rate(series, rule, begin, end)
        if usual is None:
            continue
        n, paid = series.total("settled", begin, end), series.total("paid", begin, end)
        low, high = wilson(paid, n, Z98)
        assert low is not None
        assert high is not None
        verdict: Verdict = "fair"
        if high < usual - rule.fire_pp / 100:
            verdict = "bad"
        elif low > usual - rule.recover_pp / 100:
            verdict = "good"
        found.append(Judged(begin, end, paid / n, usual, n, verdict))
    return found


def _usual_rate(
    series: Series, rule: SuccessRate, begin: datetime, end: datetime
) -> float | None:
    """Median of the rates of the same hours in the weeks before.

    Where these hold too few orders, the hours beside them are taken in too: the median of four
    small samples would be as uncertain as the window itself, and raise alerts of its own.
    """
    a, b = _whole_hours(begin, end)
    for spread in range(_WIDEST + 1):
        weeks = [
            _week(series, a - spread * HOUR - week * WEEK, b + spread * HOUR - week * WEEK)
            for week in range(1, WEEKS + 1)
        ]
        rates = [paid / n for n, paid in weeks if n >= _SURER * rule.least]
        if len(rates) == WEEKS:
            return median(rates)
    rates = [paid / n for n, paid in weeks if n >= rule.least]
    return median(rates) if len(rates) >= _LEAST_WEEKS else None


def _week(series: Series, begin: datetime, end: datetime) -> tuple[int, int]:
    return series.total("settled", begin, end), series.total("paid", begin, end)


def _whole_hours(begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    a = begin.replace(minute=0)
    b = end.replace(minute=0)
    return a, b if b == end else b + HOUR


def traffic_windows(
    series: Series, rule: Traffic, first: datetime, last: datetime, known_from: datetime
) -> list[Judged]:
    """Counts of orders judged against the same span of the four weeks before.

    `known_from` is the first order of the shop: weeks before it are absent, not empty.
    """

    def before(begin: datetime, end: datetime) -> list[int]:
        shifts = [week * WEEK for week in range(1, WEEKS + 1)]
        return [
            series.total("orders", begin - shift, end - shift)
            for shift in shifts if begin - shift >= known_from
        ]

    def is_full(begin: datetime, end: datetime) -> bool:
        counts = before(begin, end)
        return len(counts) >= _LEAST_WEEKS and sum(counts) >= rule.least * len(counts)

    found = []
    for begin, end in cut(first, last, rule.window, rule.longest, is_full):
        counts = before(begin, end)
        mean, variance = predicted(counts)
        n = series.total("orders", begin, end)
        tail = at_most(n, mean, variance)
        verdict: Verdict = "bad" if tail < rule.quantile else "fair"
        if tail >= _NORMAL_TAIL:
            verdict = "good"
        found.append(Judged(begin, end, float(n), mean, n, verdict))
    return found


def predicted(counts: Sequence[int]) -> tuple[float, float]:
    """Mean and variance of the next count after these: at least Poisson's, and the mean's own."""
    size = len(counts)
    mean = sum(counts) / size
    spread = sum((count - mean) ** 2 for count in counts) / (size - 1) if size > 1 else 0.0
    return mean, max(mean, spread) * (1 + 1 / size)


def at_most(count: int, mean: float, variance: float) -> float:
    """P(X ≤ count) of a negative binomial with this mean and variance (Poisson where equal)."""
    if mean <= 0:
        return 1.0
    if count >= mean + 6 * math.sqrt(variance):
        return 1.0
    total = 0.0
    for k in range(count, -1, -1):
        term = math.exp(_log_chance(k, mean, variance))
        total += term
        if k < mean and term < total * 1e-15:
            break
    return min(1.0, total)


def _log_chance(k: int, mean: float, variance: float) -> float:
    if variance <= mean * (1 + 1e-9):
        return k * math.log(mean) - mean - math.lgamma(k + 1)
    size = mean * mean / (variance - mean)
    return (
        math.lgamma(k + size) - math.lgamma(size) - math.lgamma(k + 1)
        + size * math.log(size / (size + mean)) + k * math.log(mean / (size + mean))
    )


def latency_windows(
    cells: Sequence[LatencyCell], rule: Latency, first: datetime, last: datetime
) -> list[Judged]:
    """Percentiles judged against a bound, or a multiple of those of the four weeks before."""
    by_hour = {cell.begin: cell.counts for cell in cells}

    def size(begin: datetime, end: datetime) -> int:
        return sum(merged(begin, end).values())

    def merged(begin: datetime, end: datetime) -> dict[int, int]:
        counts: dict[int, int] = {}
        for at in range((end - begin) // HOUR):
            for bucket, count in by_hour.get(begin + at * HOUR, {}).items():
                counts[bucket] = counts.get(bucket, 0) + count
        return counts

    found = []
    for begin, end in cut(
        first, last, rule.window, rule.longest, lambda a, b: size(a, b) >= rule.least
    ):
        earlier = [
            merged(begin - week * WEEK, end - week * WEEK) for week in range(1, WEEKS + 1)
        ]
        usual = [
            percentile(counts, rule.percentile)
            for counts in earlier if sum(counts.values()) >= rule.least // 2
        ]
        bound = rule.threshold_s
        if bound is None and len(usual) >= _LEAST_WEEKS:
            bound = rule.factor * median(usual)
        if bound is None or math.isinf(bound):
            continue
        counts = merged(begin, end)
        value = percentile(counts, rule.percentile)
        verdict: Verdict = "bad" if value > bound else "fair"
        if value <= bound * _CALMER:
            verdict = "good"
        found.append(Judged(begin, end, value, bound, sum(counts.values()), verdict))
    return found


def percentile(counts: dict[int, int], q: float) -> float:
    """The percentile in seconds of spans counted by bucket."""
    rank = 1 + q * (sum(counts.values()) - 1)
    upto = 0
    for bucket in sorted(counts):
        upto += counts[bucket]
        if upto >= rank:
            return bucket_seconds(bucket)
    raise ValueError("no spans")


BACKFILL = timedelta(hours=1)
"""History that is loaded file by file is not stale while it is being loaded."""


def stale_episodes(
    loads: Sequence[Load], rule: Freshness, first: datetime, now: datetime
) -> list[Episode]:
    """Spans after `first` in which a source told of nothing younger than the rule allows."""
    limit = timedelta(hours=rule.older_than_h)
    found: list[Episode] = []
    begun: datetime | None = None
    mark: datetime | None = None
    worst = timedelta()
    for load in loads:
        if load.at > now:
            break
        if mark is None:
            mark = load.watermark
            begun = load.at if load.at - mark > limit else None
        elif begun is None and load.at - mark > limit:
            begun = mark + limit
        worst = max(worst, load.at - mark)
        mark = max(mark, load.watermark)
        if begun is not None and load.at - mark <= limit:
            found.append(_stale(begun, load.at, worst, rule))
            begun, worst = None, timedelta()
    if mark is not None and now - mark > limit:
        found.append(_stale(begun or mark + limit, None, max(worst, now - mark), rule))
    return [
        item
        for item in found
        if (item.ended_at is None or item.ended_at > first)
        and (item.ended_at or now) - item.begun_at >= BACKFILL
    ]


def _stale(begun: datetime, ended: datetime | None, worst: timedelta, rule: Freshness) -> Episode:
    return Episode(begun, begun, ended, worst / HOUR, rule.older_than_h, 1)

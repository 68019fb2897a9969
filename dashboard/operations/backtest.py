"""What a rule finds in the store: now, or over past days as if it had been set then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from dashboard.metrics.alert_windows import Part, cells, latency_cells, loads
from dashboard.operations.alert_rules import WEEKS, Freshness, Latency, Rule, SuccessRate, Traffic
from dashboard.operations.alerts import (
    QUARTER,
    WEEK,
    Episode,
    Series,
    episodes,
    latency_windows,
    monday,
    rate_recovered,
    rate_windows,
    stale_episodes,
    traffic_windows,
    twice_good,
)
from dashboard.operations.ledger import now as clock
from loaders.store.reader import Reader

MAX_DAYS = 400


@dataclass(frozen=True, slots=True)
class Finding:
    """An episode of one slice of the shop."""

    part: Part
    episode: Episode


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a rule would have found between two instants. `as_of` None: its sources are missing."""

    rule: Rule
    begin: datetime
    end: datetime
    as_of: datetime | None
    findings: list[Finding]


def as_of(reader: Reader, rule: Rule) -> datetime | None:
    """The instant up to which the sources of a rule speak; None if one was never loaded."""
    marks = reader.watermarks()
    if isinstance(rule, Freshness):
        return clock() if rule.source in marks else None
    needed: list[tuple[str, ...]] = [("checkout_log",)]
    if isinstance(rule, SuccessRate):
        needed.append(("notification_log", "trade_bill"))
    elif isinstance(rule, Latency) and rule.stage != "channel":
        needed.append(("notification_log",))
    return _earliest(marks, needed)


def _earliest(
    marks: Mapping[str, datetime], needed: Iterable[tuple[str, ...]]
) -> datetime | None:
    known = [next((marks[name] for name in names if name in marks), None) for names in needed]
    found = [mark for mark in known if mark is not None]
    return min(found) if len(found) == len(known) else None


def findings(reader: Reader, rule: Rule, begin: datetime, until: datetime) -> list[Finding]:
    """Episodes that last into the time from `begin` to the as-of `until`, in time order."""
    if isinstance(rule, Freshness):
        stale = stale_episodes(loads(reader, rule.source), rule, begin, until)
        found = [Finding((("source", rule.source),), item) for item in stale]
    elif isinstance(rule, Latency):
        found = _latency(reader, rule, begin, until)
    else:
        found = _counts(reader, rule, begin, until)
    alive = [
        item for item in found if item.episode.ended_at is None or item.episode.ended_at > begin
    ]
    return sorted(alive, key=lambda item: (item.episode.begun_at, part_name(item.part)))


def backtest(reader: Reader, rule: Rule, days: int) -> Backtest:
    """What the rule would have found in the last days up to the as-of of its sources."""
    until = as_of(reader, rule)
    end = until or clock()
    begin = end - timedelta(days=max(1, min(days, MAX_DAYS)))
    found = findings(reader, rule, begin, end) if until else []
    return Backtest(rule, begin, end, until, found)


def _counts(
    reader: Reader, rule: SuccessRate | Traffic, begin: datetime, until: datetime
) -> list[Finding]:
    start = monday(begin) - WEEKS * WEEK
    end = monday(until) + ((until - monday(until)) // QUARTER) * QUARTER
    parts = cells(reader, rule.by, start, end, until)
    known_from = min((series[0].begin for series in parts.values()), default=end)
    found = []
    for part, counted in parts.items():
        series = Series(counted, start, end)
        if isinstance(rule, SuccessRate):
            judged = rate_windows(series, rule, begin, until - timedelta(minutes=rule.settle_min))
            told = episodes(judged, rate_recovered(rule), worst_is_low=True)
        else:
            judged = traffic_windows(series, rule, begin, end, known_from)
            told = episodes(judged, twice_good, worst_is_low=True)
        found += [Finding(part, item) for item in told]
    return found


def _latency(reader: Reader, rule: Latency, begin: datetime, until: datetime) -> list[Finding]:
    start = monday(begin) - WEEKS * WEEK
    parts = latency_cells(reader, rule.stage, rule.by, start, until, until)
    found = []
    for part, counted in parts.items():
        judged = latency_windows(counted, rule, begin, until)
        told = episodes(judged, twice_good, worst_is_low=False)
        found += [Finding(part, item) for item in told]
    return found


def part_name(part: Part) -> str:
    """A slice as one text, the same on every machine."""
    return urlencode([(name, value or "") for name, value in part])


def part_of(name: str) -> Part:
    """The slice of such a text."""
    return tuple((key, value or None) for key, value in parse_qsl(name, keep_blank_values=True))

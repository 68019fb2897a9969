"""What needs attention: what changed, how sure that is, since when, and where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from dashboard.metrics.answers import Answers
from dashboard.metrics.change import Change, Part, explain
from dashboard.metrics.intervals import LEAST_COUNT, difference_p, discoveries, newcombe, wilson
from dashboard.metrics.question import Question
from loaders.store.reader import Row

DAYS = 7
INCIDENT_DAYS = 30
HOUR_DROP = 0.15
DAY_DROP = 0.03
MOVED_BY = 0.01
MISSING_RATE = 0.005
UNMAPPED_RATE = 0.02
STALE_HOURS = 36
SHOWN_REASONS = 2
SHOWN_INCIDENTS = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. `values` are raw: fractions, fen, days and classes.

    `low`, `high`: interval of the change, where it is one. `page` with `where` is where to look.
    """

    template: str
    values: Mapping[str, Any]
    page: str
    since: date | None = None
    low: float | None = None
    high: float | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    part: Part | None = None
    is_good: bool = False


def findings(answers: Answers, question: Question, now: datetime) -> list[Finding]:
    """What stands out in the last days of the period, the gravest first. `now` is naive UTC."""
    week = Question(question.last_day - timedelta(days=DAYS - 1), question.last_day, (), question.where)
    return [
        *_incidents(answers, question),
        *_conversion(answers, week),
        *_reasons(answers, week),
        *_deliveries(answers, week),
        *_stale(answers, now),
    ]


def _incidents(answers: Answers, question: Question) -> Iterator[Finding]:
    """Stretches of hours or days in which far fewer orders were paid than usual."""
    month = question.last(INCIDENT_DAYS)
    whole = answers.metric("conversion", month).rows
    usual = whole[0]["rate"] if whole else None
    if usual is None:
        return
    hours, days = (
        _stretches(answers.metric("conversion", month.split(by)).rows, by, usual, drop, least)
        for by, drop, least in (("hour", HOUR_DROP, 10), ("day", DAY_DROP, LEAST_COUNT - 10))
    )
    for stretch in _gravest(hours):
        yield _hours_finding(stretch, usual)
    told = {row["hour"].date() for stretch in _gravest(hours) for row in stretch}
    for stretch in _gravest([one for one in days if not told & {row["day"] for row in one}]):
        yield _days_finding(answers, question, stretch, usual)


def _gravest(stretches: list[list[Row]]) -> list[list[Row]]:
    """The stretches that lost most."""
    lost = sorted(stretches, key=lambda rows: sum(row["paid"] - row["matured"] for row in rows))
    return lost[:SHOWN_INCIDENTS]


def _hours_finding(stretch: list[Row], usual: float) -> Finding:
    first, last = stretch[0]["hour"], stretch[-1]["hour"] + timedelta(hours=1)
    return _finding(
        stretch, usual, f"{first:%m-%d %H:00}", f"{last:%H:00}", (first.date(), first.date()), None
    )


def _days_finding(
    answers: Answers, question: Question, stretch: list[Row], usual: float
) -> Finding:
    """A stretch of days, with what made it differ from the four weeks before."""
    first, last = stretch[0]["day"], stretch[-1]["day"]
    then = Question(first, last, (), question.where)
    before = Question(first - timedelta(days=28), first - timedelta(days=1), (), question.where)
    change = change_of(answers, before, then)
    top = change.contributors(1) if change else []
    return _finding(
        stretch, usual, f"{first:%m-%d}", f"{last:%m-%d}", (first, last), top[0] if top else None
    )


def _finding(
    stretch: list[Row], usual: float, begin: str, end: str, days: tuple[date, date],
    part: Part | None,
) -> Finding:
    size, won = (sum(row[name] for row in stretch) for name in ("matured", "paid"))
    low, high = wilson(won, size)
    return Finding(
        "From {begin} to {end} only {rate} of {orders} orders were paid; usual is {usual_rate}.",
        {"begin": begin, "end": end, "rate": won / size, "orders": size, "usual_rate": usual},
        "conversion", None,
        None if low is None else low - usual, None if high is None else high - usual,
        {"days": days}, part,
    )


def _stretches(
    rows: Iterable[Row], by: str, usual: float, drop: float, least: int
) -> list[list[Row]]:
    """Hours or days in a row that are surely that far below the usual rate."""
    step = timedelta(hours=1) if by == "hour" else timedelta(days=1)
    found: list[list[Row]] = []
    for row in rows:
        if row["paid"] is None or row["matured"] < least:
            continue
        high = wilson(row["paid"], row["matured"])[1]
        if high is None or high >= usual - drop:
            continue
        if found and row[by] - found[-1][-1][by] <= step:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def change_of(answers: Answers, earlier: Question, later: Question) -> Change | None:
    """The explained change between two periods, remembered."""
    key = ("change", *earlier.key(), *later.key())
    return answers.once(key, lambda: explain(answers.reader, earlier, later))


def _conversion(answers: Answers, week: Question) -> Iterator[Finding]:
    change = change_of(answers, week.shifted(DAYS), week)
    if change is None or not change.is_sure or change.before is None or change.after is None:
        return
    moved = change.after - change.before
    if abs(moved) < MOVED_BY:
        return
    low, high = change.interval
    top = change.contributors(1)
    yield Finding(
        "Order conversion fell from {before_rate} to {after_rate} within 7 days."
        if moved < 0
        else "Order conversion rose from {before_rate} to {after_rate} within 7 days.",
        {"before_rate": change.before, "after_rate": change.after},
        "conversion", _since(answers, week, change.before, moved < 0), low, high,
        {"days": (week.first_day, week.last_day)}, top[0] if top else None, moved > 0,
    )


def _since(answers: Answers, week: Question, usual: float, is_below: bool) -> date | None:
    """The first day of the latest run of days on the changed side of the usual rate."""
    begin = None
    for row in answers.metric("conversion", week.split("day")).rows:
        if row["rate"] is None:
            continue
        is_changed = row["rate"] < usual if is_below else row["rate"] > usual
        begin = (begin or row["day"]) if is_changed else None
    return begin


def _reasons(answers: Answers, week: Question) -> Iterator[Finding]:
    """Reasons for which surely more orders were lost than in the week before."""
    before, after = (
        {row["outcome"]: row for row in answers.metric("outcomes", asked).rows}
        for asked in (week.shifted(DAYS), week)
    )
    wholes = [sum(row["orders"] for row in side.values()) for side in (before, after)]
    if min(wholes) < LEAST_COUNT:
        return
    counts = {
        name: (before[name]["orders"] if name in before else 0, after[name]["orders"])
        for name in after
        if name != "paid"
    }
    p_values = [difference_p(new, wholes[1], old, wholes[0]) for old, new in counts.values()]
    sure = [
        (name, *pair)
        for (name, pair), is_kept in zip(counts.items(), discoveries(p_values), strict=True)
        if is_kept and pair[1] / wholes[1] > pair[0] / wholes[0]
    ]
    for name, old, new in sorted(sure, key=lambda item: -after[item[0]]["amount_fen"])[:SHOWN_REASONS]:
        low, high = newcombe(new, wholes[1], old, wholes[0])
        yield Finding(
            "{reason}: {after_rate} of the orders, {before_rate} in the week before; {amount_fen}.",
            {"reason": name, "after_rate": new / wholes[1], "before_rate": old / wholes[0],
             "amount_fen": after[name]["amount_fen"]},
            "failures", None, low, high, {"days": (week.first_day, week.last_day)},
        )
    unmapped = after.get("unmapped")
    if unmapped and unmapped["orders"] / wholes[1] > UNMAPPED_RATE:
        yield Finding(
            "{rate} of the orders failed with codes that are not mapped.",
            {"rate": unmapped["orders"] / wholes[1]}, "failures",
        )


def _deliveries(answers: Answers, week: Question) -> Iterator[Finding]:
    """Notifications that come on a later delivery, or not at all."""
    before, after = (answers.metric("notifications", asked).rows for asked in (week.shifted(DAYS), week))
    if not before or not after or min(before[0]["expected"], after[0]["expected"]) < LEAST_COUNT:
        return
    old: Counter[str] = Counter(before[0]["rung"])
    new: Counter[str] = Counter(after[0]["rung"])
    sizes = before[0]["expected"], after[0]["expected"]
    low, high = newcombe(new["0"], sizes[1], old["0"], sizes[0])
    if new and old and high is not None and high < -MOVED_BY:
        yield Finding(
            "First deliveries fell from {before_rate} to {after_rate}: your endpoint failed first.",
            {"before_rate": old["0"] / sizes[0], "after_rate": new["0"] / sizes[1]},
            "latency", None, low, high, {"days": (week.first_day, week.last_day)},
        )
    missing = after[0]["missing"]
    if missing and missing / sizes[1] > MISSING_RATE:
        yield Finding(
            "{count} notifications never came ({rate} of the paid orders).",
            {"count": missing, "rate": missing / sizes[1]}, "trades",
            where={"days": (week.first_day, week.last_day), "state": "unnotified"},
        )


def _stale(answers: Answers, now: datetime) -> Iterator[Finding]:
    for source, mark in sorted(answers.reader.watermarks().items()):
        if now - mark > timedelta(hours=STALE_HOURS):
            yield Finding(
                "{source}: nothing newer than {at}.", {"source": source, "at": mark}, "data",
                is_good=False,
            )

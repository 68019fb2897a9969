"""What a home does by itself to stay up to date with its channels: ask, and fetch bills."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

from loaders.call_log import now as utc_now
from loaders.channels import CHANNELS, retry_ladders
from loaders.errors import MdashError, NoAnswer
from loaders.poll import can_be_asked, poll
from loaders.pull import Pulled, pull
from loaders.settings import Settings
from loaders.store.days import first_day
from loaders.store.reader import Reader

BILLS_FROM = clock_time(9, 30)
LONGEST_GAP_DAYS = 62
BILLS_A_ROUND = 31
FIRST_PAUSE_S = 120.0
LONGEST_PAUSE_S = 3600.0
_LOG = logging.getLogger("mdash.upkeep")
Task = Callable[[], object]


class Patient:
    """A task that rests after a failure, twice as long after each further one, an hour at most."""

    def __init__(self, task: Task, clock: Callable[[], float] = time.monotonic) -> None:
        self._task, self._clock = task, clock
        self._failures = 0
        self._until = 0.0

    def __call__(self) -> None:
        """Run the task unless it rests. Raises what the task raises."""
        if self._failures and self._clock() < self._until:
            return
        try:
            self._task()
        except Exception:
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._failures)
            self._failures = min(self._failures + 1, 10)
            self._until = self._clock() + pause
            raise
        self._failures = 0


def channel_tasks(
    settings: Settings, is_stopping: Callable[[], bool] = lambda: False
) -> dict[str, Task]:
    """Tasks to be run minute by minute, for the channels that are set up for asking."""
    channels = can_be_asked(settings)
    if not channels:
        return {}
    tasks: dict[str, Task] = {"poll": Patient(lambda: _poll(settings, channels, is_stopping))}
    for channel in channels:
        part = CHANNELS[channel].remote
        if part is None or "bill" not in part.CALLS:
            continue
        for kind in ("trade", "account"):
            tasks[f"pull {channel} {kind}"] = Patient(_pulling(settings, channel, kind, is_stopping))
    return tasks


def _poll(settings: Settings, channels: list[str], is_stopping: Callable[[], bool]) -> None:
    polled = poll(settings, channels, is_stopping=is_stopping)
    if polled.asked:
        counts = " ".join(f"{name}={count}" for name, count in polled.counts().items())
        _LOG.info("poll: asked=%d %s left=%d", len(polled.asked), counts, polled.left)


def _pulling(
    settings: Settings, channel: str, kind: str, is_stopping: Callable[[], bool]
) -> Task:
    """A task that fetches what is due, and is done for the day once nothing is left."""
    finished: date | None = None

    def task() -> None:
        nonlocal finished
        local = _shop_time(settings, utc_now())
        if finished == local.date() or local.time() < BILLS_FROM:
            return
        if not pull_due(settings, channel, kind, is_stopping=is_stopping) and not is_stopping():
            finished = local.date()

    return task


def _shop_time(settings: Settings, now: datetime) -> datetime:
    return now.replace(tzinfo=UTC).astimezone(ZoneInfo(settings.shop.timezone))


def pull_due(
    settings: Settings, channel: str, kind: str, *, clock: Callable[[], datetime] = utc_now,
    is_stopping: Callable[[], bool] = lambda: False,
) -> list[Pulled]:
    """From 09:30 shop time fetch yesterday's bill and, before it, days that were left out.

    Raises NoAnswer if a bill is not there yet, and MdashError if one is refused.
    """
    days = due_days(settings, channel, clock())
    if days is None:
        return []
    found = pull(
        settings, channel, kind, *days, most=BILLS_A_ROUND, clock=clock, is_stopping=is_stopping
    )
    for bill in found:
        _LOG.info("pull: %s %s %s %s rows=%d", channel, kind, bill.period, bill.status, bill.rows)
    open_ones = [bill for bill in found if bill.status not in ("loaded", "empty")]
    if open_ones:
        why = open_ones[0].why
        raise why if isinstance(why, MdashError) else NoAnswer(
            "The bill of {period} is not there yet.", period=open_ones[0].period
        )
    return found


def due_days(settings: Settings, channel: str, now: datetime) -> tuple[date, date] | None:
    """The inclusive days whose bills should be there; None too early in the morning."""
    local = _shop_time(settings, now)
    if local.time() < BILLS_FROM:
        return None
    last = local.date() - timedelta(days=1)
    reader = Reader(settings, retry_ladders())
    try:
        known = first_day(reader, channel) or last
    finally:
        reader.close()
    return min(last, max(known, last - timedelta(days=LONGEST_GAP_DAYS - 1))), last

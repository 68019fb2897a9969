"""The job behind `mdash poll`: overdue orders are asked about, and the answers correct the trades."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from filelock import FileLock, Timeout

from loaders import remote
from loaders.call_log import now as utc_now
from loaders.calls import load_calls
from loaders.channels import CHANNELS, retry_ladders
from loaders.errors import MdashError, RefusedInput, StoreBusy
from loaders.records import Answer, TradeOutcome, TradeState, trade_outcome
from loaders.settings import Settings
from loaders.store.overdue import Overdue, overdue
from loaders.store.reader import Reader

PER_SECOND = 5.0
MOST = 200
LONGEST_RUN_S = 50.0
_LOCK_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One order that was asked about. `why` says what keeps its outcome unknown."""

    channel: str
    order_no: str
    amount_fen: int
    outcome: TradeOutcome
    paid_at: datetime | None = None
    why: MdashError | None = None


@dataclass(slots=True)
class Polled:
    """What a run did: who was asked, and how many overdue orders are left for the next run."""

    asked: list[Asked] = field(default_factory=list)
    left: int = 0

    def counts(self) -> dict[str, int]:
        """Orders by outcome."""
        met = Counter(item.outcome for item in self.asked)
        names: tuple[TradeOutcome, ...] = ("paid", "unpaid", "closed", "refunded", "unknown")
        return {name: met[name] for name in names}

    @property
    def exit_code(self) -> int:
        """3 while an outcome is still unknown, else 0."""
        return 3 if self.left or self.counts()["unknown"] else 0


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a run may ask: calls a second, orders in all, and how long."""

    per_second: float = PER_SECOND
    most: int = MOST
    longest_s: float = LONGEST_RUN_S


def can_be_asked(settings: Settings) -> list[str]:
    """Channels that are set up for asking: the address and the key to sign with are named."""
    return [
        name
        for name, channel in CHANNELS.items()
        if channel.remote is not None
        and all(
            settings.channels.get(name, {}).get(key)
            for key in (channel.address_setting, channel.key_setting)
        )
    ]


def poll(
    settings: Settings,
    channels: Sequence[str],
    *,
    budget: Budget | None = None,
    clock: Callable[[], datetime] = utc_now,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Polled:
    """Ask about overdue orders, most valuable first, and load what was answered.

    What was asked is in the log of calls even if the run is killed; the next one loads it. Raises
    ConfigurationError for keys, and StoreBusy while another process asks.
    """
    budget = budget or Budget()
    polled = Polled()
    with _alone(settings):
        load_calls(settings)
        waiting, count = _overdue(settings, channels, clock(), budget.most)
        try:
            for item in paced(waiting, budget, is_stopping):
                asked, was_sent = _ask(settings, item)
                polled.asked.append(asked)
                if not was_sent:
                    break
        finally:
            load_calls(settings)
        polled.left = count - len(polled.asked)
    return polled


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.home / "poll.lock", mode=0o600)
    try:
        lock.acquire(timeout=_LOCK_WAIT_S)
    except Timeout as error:
        raise StoreBusy("Another process is asking the channels just now. Try again later.") from error
    try:
        yield
    finally:
        lock.release()


def _overdue(
    settings: Settings, channels: Sequence[str], now: datetime, most: int
) -> tuple[list[Overdue], int]:
    reader = Reader(settings, retry_ladders())
    found: list[Overdue] = []
    total = 0
    try:
        for channel in channels:
            orders, count = overdue(reader, channel, now, most)
            found += orders
            total += count
    finally:
        reader.close()
    found.sort(key=lambda item: -item.amount_fen)
    return found[:most], total


def paced(
    items: Sequence[Overdue], budget: Budget, is_stopping: Callable[[], bool]
) -> Iterator[Overdue]:
    """The items one by one, as fast as the budget allows, until it is used up."""
    start = time.monotonic()
    for number, item in enumerate(items):
        ahead = start + number / budget.per_second - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        if is_stopping() or time.monotonic() - start > budget.longest_s:
            return
        yield item


def _ask(settings: Settings, item: Overdue) -> tuple[Asked, bool]:
    """Ask about one order; False if the channel cannot be reached or is left alone for now."""
    try:
        answer: Answer[TradeState] = remote.shared(settings).ask(
            item.channel, "query", order_no=item.order_no, amount_fen=item.amount_fen
        )
    except RefusedInput as error:
        return Asked(item.channel, item.order_no, item.amount_fen, "unknown", why=error), True
    outcome = trade_outcome(answer)
    return Asked(
        item.channel, item.order_no, item.amount_fen, outcome,
        answer.data.paid_at if answer.data else None, answer.why,
    ), answer.was_sent

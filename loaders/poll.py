"""The job behind `mdash poll`: overdue orders are asked about, and the answers correct the trades."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Semaphore

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
AT_ONCE = 4
_UNSENT_IN_A_ROW = 8
_LOCK_WAIT_S = 60.0
_OUTCOMES: tuple[TradeOutcome, ...] = ("paid", "unpaid", "closed", "refunded", "unknown")


@dataclass(frozen=True, slots=True)
class Asked:
    """One order that was asked about, with what the channel answered.

    `why` says why it could not even be asked.
    """

    order: Overdue
    answer: Answer[TradeState] = field(default_factory=Answer)
    why: MdashError | None = None

    @property
    def outcome(self) -> TradeOutcome:
        """What the answer proves."""
        return trade_outcome(self.answer)


@dataclass(slots=True)
class Polled:
    """What a run did: who was asked, and how many overdue orders are left for the next run."""

    asked: list[Asked] = field(default_factory=list)
    left: int = 0

    def counts(self) -> dict[str, int]:
        """Orders by outcome."""
        met = Counter(item.outcome for item in self.asked)
        return {name: met[name] for name in _OUTCOMES}

    @property
    def exit_code(self) -> int:
        """3 while an outcome is still unknown, else 0."""
        return 3 if self.left or self.counts()["unknown"] else 0


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a run may ask: calls a second, how many at once, orders in all, and how long."""

    per_second: float = PER_SECOND
    most: int = MOST
    longest_s: float = LONGEST_RUN_S
    at_once: int = AT_ONCE


BY_HAND = Budget(per_second=10.0, most=2_000, longest_s=600.0, at_once=8)
"""What `mdash poll` may ask: a person waits for every order."""


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
    every: bool = False,
    clock: Callable[[], datetime] = utc_now,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Polled:
    """Ask about overdue orders, most valuable first, and load what was answered.

    `every`: also each order whose time is over, whenever it was asked before. What was asked is in
    the log of calls even if the run is killed; the next one loads it. Raises ConfigurationError for
    keys, and StoreBusy while another process asks.
    """
    budget = budget or Budget()
    polled = Polled()
    with _alone(settings):
        load_calls(settings)
        waiting, count = _overdue(settings, channels, clock(), budget.most, every)
        for channel in {item.channel for item in waiting}:
            remote.shared(settings).keys(channel)
        try:
            polled.asked = _Round(settings, budget, is_stopping).ask(waiting)
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
    settings: Settings, channels: Sequence[str], now: datetime, most: int, every: bool
) -> tuple[list[Overdue], int]:
    reader = Reader(settings, retry_ladders())
    found: list[Overdue] = []
    total = 0
    try:
        for channel in channels:
            orders, count = overdue(reader, channel, now, most, every=every)
            found += orders
            total += count
    finally:
        reader.close()
    if len(channels) > 1:
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


class _Round:
    """Asking about many orders: several at once, so that none waits for another's trouble."""

    def __init__(
        self, settings: Settings, budget: Budget, is_stopping: Callable[[], bool]
    ) -> None:
        self._settings, self._budget, self._is_stopping = settings, budget, is_stopping
        self._ends = time.monotonic() + budget.longest_s
        self._unsent = 0

    def ask(self, items: Sequence[Overdue]) -> list[Asked]:
        """Ask about each, in their order, as long as the channel can be reached at all."""
        free = Semaphore(self._budget.at_once)
        futures: list[Future[Asked]] = []
        with ThreadPoolExecutor(self._budget.at_once, "poll") as pool:
            for item in paced(items, self._budget, self._is_over):
                free.acquire()
                if self._is_over():
                    break
                futures.append(pool.submit(self._one, item))
                futures[-1].add_done_callback(lambda _: free.release())
        return [future.result() for future in futures]

    def _is_over(self) -> bool:
        return (
            self._is_stopping()
            or self._unsent >= _UNSENT_IN_A_ROW
            or time.monotonic() > self._ends
        )

    def _one(self, item: Overdue) -> Asked:
        try:
            answer: Answer[TradeState] = remote.shared(self._settings).ask(
                item.channel, "query", order_no=item.order_no, amount_fen=item.amount_fen,
                is_paced=True,
            )
        except RefusedInput as error:
            return Asked(item, why=error)
        self._unsent = 0 if answer.was_sent else self._unsent + 1
        return Asked(item, answer)

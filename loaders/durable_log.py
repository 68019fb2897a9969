"""The durable notification log: lines are on disk before anybody is told so.

A log file has one writer for its whole life: every start begins a new file, so what a reader has
read never changes under it. `DAY.RECEIVER.NUMBER.jsonl`; names with a dot in front are our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from filelock import FileLock, Timeout

from loaders.errors import ConfigurationError

MAX_RECEIVERS = 64
MAX_WAITING_LINES = 20_000
_REPAIRED_BYTES = 4 * 2**20
_NO_DELAY = 0


class LogFull(OSError):
    """More lines wait for the disk than are let in."""


def log_folder(home: Path) -> Path:
    """Where a home keeps its notification log."""
    return home / "notifications"


def refused_folder(home: Path) -> Path:
    """Where a home keeps what it knows of messages that did not verify."""
    return log_folder(home) / "refused"


def log_files(folder: Path) -> list[Path]:
    """The log files of a folder, oldest first for each receiver."""
    return sorted(folder.glob("????-??-??.*.*.jsonl"))


def day_of(path: Path) -> date:
    """The shop's day on which a log file was begun."""
    return date.fromisoformat(path.name[:10])


class LogWriter:
    """The blocking side: one process's files in a folder. Call from one thread at a time."""

    def __init__(
        self,
        folder: Path,
        zone: ZoneInfo,
        rotate_bytes: int,
        sync: Callable[[int], None] = os.fsync,
        now: Callable[[ZoneInfo], datetime] = datetime.now,
    ) -> None:
        self._folder, self._zone, self._rotate_bytes = folder, zone, rotate_bytes
        self._sync, self._now = sync, now
        self._descriptor: int | None = None
        self._size, self._day = 0, date.min
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.receiver, self._lock = _claim(folder)
        self.path: Path | None = None

    def write(self, lines: Sequence[bytes]) -> None:
        """Append whole lines; returns when they are on disk. Raises OSError, and then none counts."""
        descriptor = self._current()
        data = b"".join(lines)
        try:
            _write_all(descriptor, data)
            self._sync(descriptor)
        except OSError:
            self._abandon(descriptor)
            raise
        self._size += len(data)

    def close(self) -> None:
        """Close the file and give the receiver's number back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._lock.release()

    def _current(self) -> int:
        """The open file, a new one on a new day or when it has grown enough."""
        today = self._now(self._zone).date()
        is_full = self._size >= self._rotate_bytes
        if self._descriptor is not None and (is_full or today != self._day):
            os.close(self._descriptor)
            self._descriptor = None
        if self._descriptor is None:
            self._descriptor, self._size, self._day = self._begin(today), 0, today
        return self._descriptor

    def _begin(self, today: date) -> int:
        stem = f"{today.isoformat()}.{self.receiver}"
        numbers = [int(path.name.split(".")[2]) for path in self._folder.glob(f"{stem}.*.jsonl")]
        self.path = self._folder / f"{stem}.{max(numbers, default=0) + 1:04}.jsonl"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        descriptor = os.open(self.path, flags, 0o600)
        _sync_folder(self._folder)
        return descriptor

    def _abandon(self, descriptor: int) -> None:
        """Leave a file whose disk failed, without what was not synced; the next one is new."""
        self._descriptor = None
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, self._size)
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _claim(folder: Path) -> tuple[int, FileLock]:
    """The lowest free receiver number, its lock held; files without a living writer are mended."""
    own: tuple[int, FileLock] | None = None
    used = {int(path.name.split(".")[1]) for path in log_files(folder)}
    for number in range(1, MAX_RECEIVERS + 1):
        if own and number not in used:
            continue
        lock = FileLock(folder / f".receiver-{number}.lock", thread_local=False)
        try:
            lock.acquire(timeout=_NO_DELAY)
        except Timeout:
            continue
        for path in folder.glob(f"????-??-??.{number}.*.jsonl"):
            mend(path)
        if own is None:
            own = number, lock
        else:
            lock.release()
    if own is None:
        raise ConfigurationError(
            "{count} receivers write to this home already. End one of them.", count=MAX_RECEIVERS
        )
    return own


def mend(path: Path) -> int:
    """Cut off what a killed writer or a failed disk left at the end; it is set aside beside it.

    Returns how many bytes were cut. Only lines never acknowledged can be torn.
    """
    size = path.stat().st_size
    with path.open("r+b") as file:
        start = max(0, size - _REPAIRED_BYTES)
        file.seek(start)
        end = file.read()
        whole = _whole_length(end, is_all=start == 0)
        if whole == len(end):
            return 0
        torn = end[whole:]
        aside = path.with_name(f".torn-{path.name}-{start + whole}")
        aside.touch(mode=0o600)
        aside.write_bytes(torn)
        file.truncate(start + whole)
        os.fsync(file.fileno())
    return len(torn)


def _whole_length(data: bytes, *, is_all: bool) -> int:
    """How much of a log's end is whole, up to its last good line. `is_all`: it is the whole log."""
    end = data.rfind(b"\n") + 1
    while end:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        if _is_json(data[begin:end]) or (begin == 0 and not is_all):
            break
        end = begin
    return end


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class DurableLog:
    """The asynchronous side: many requests share one write and one fsync."""

    def __init__(
        self, writer: LogWriter, synced: Callable[[float, int], None] = lambda _s, _lines: None
    ) -> None:
        self._writer, self._synced = writer, synced
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="durable-log")
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._oldest: float | None = None
        self.failure: str | None = None

    async def append(self, line: bytes) -> None:
        """Add one line; returns when it is on disk. Raises OSError if it is not."""
        if len(self._waiting) >= MAX_WAITING_LINES:
            raise LogFull("too many lines wait for the disk")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((line, future))
        self._oldest = self._oldest or time.monotonic()
        if self._task is None:
            self._task = loop.create_task(self._drain())
        await future

    @property
    def waiting(self) -> int:
        """Lines that are not yet on disk."""
        return len(self._waiting)

    @property
    def age_s(self) -> float:
        """Seconds that the oldest line has been waiting for the disk."""
        return time.monotonic() - self._oldest if self._oldest is not None else 0.0

    async def close(self) -> None:
        """Write what waits, then close."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()
        self._writer.close()

    async def _drain(self) -> None:
        """Write group after group; lines that come meanwhile make the next group."""
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                taken = time.monotonic()
                await self._commit(group)
                self._oldest = taken if self._waiting else None
        finally:
            self._task = None

    async def _commit(self, group: Sequence[tuple[bytes, asyncio.Future[None]]]) -> None:
        began = time.perf_counter()
        lines = [line for line, _ in group]
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.write, lines)
        except Exception as error:
            self.failure = getattr(error, "strerror", None) or type(error).__name__
            for future in _undone(group):
                future.set_exception(OSError(getattr(error, "errno", None), self.failure))
            return
        self.failure = None
        for future in _undone(group):
            future.set_result(None)
        self._synced(time.perf_counter() - began, len(lines))


def _undone(
    group: Sequence[tuple[bytes, asyncio.Future[None]]],
) -> Iterator[asyncio.Future[None]]:
    return (future for _, future in group if not future.done())

"""The tail of the durable log: new complete lines go into the store, each exactly once.

All lines of a file are one load, which grows with it. How far each file was read is kept in the
home and moves only after the lines are committed. A kill in between reads some lines again; the
store knows them by their content and leaves them out.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from zoneinfo import ZoneInfo

from filelock import FileLock, Timeout

from loaders.channels import retry_ladders
from loaders.durable_log import day_of, log_files, log_folder, refused_folder
from loaders.messages import instant, stage_chunks
from loaders.notifications import SCHEMA, read_lines
from loaders.privacy import pseudonym_key
from loaders.settings import Settings
from loaders.staging import Load, Staged
from loaders.store.deposit import deposit
from loaders.store.growing import growing_load
from loaders.store.warehouse import Warehouse

PIECE_BYTES = 2 * 2**20
PIECES_AT_ONCE = 8
STORE_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read: bytes, and the lines in them."""

    offset: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Complete lines of a file that were not read yet, and where they end."""

    path: Path
    start: Place
    data: bytes

    @property
    def end(self) -> Place:
        """The place after these lines."""
        return Place(self.start.offset + len(self.data), self.start.lines + self.data.count(b"\n"))


@dataclass(frozen=True, slots=True)
class Lag:
    """What the store has not been told yet."""

    bytes: int
    oldest: datetime | None


def _files(home: Path) -> list[Path]:
    return [*log_files(log_folder(home)), *log_files(refused_folder(home))]


def _name(home: Path, path: Path) -> str:
    return path.relative_to(log_folder(home)).as_posix()


def _places_file(home: Path) -> Path:
    return log_folder(home) / ".loaded.json"


def places(home: Path) -> dict[str, Place]:
    """How far each file was read; without a readable note everything is read again."""
    try:
        noted = json.loads(_places_file(home).read_bytes())
        return {name: Place(int(at[0]), int(at[1])) for name, at in noted.items()}
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return {}


def _note(home: Path, known: dict[str, Place]) -> None:
    target = _places_file(home)
    fresh = target.with_name(".loaded.new")
    fresh.write_text(json.dumps({name: [at.offset, at.lines] for name, at in known.items()}), "utf-8")
    fresh.replace(target)


def lag(home: Path) -> Lag:
    """How many bytes wait, and when the oldest of them was received (naive UTC)."""
    known, waiting, oldest = places(home), 0, None
    for path in _files(home):
        offset = known.get(_name(home, path), Place()).offset
        behind = path.stat().st_size - offset
        if behind <= 0:
            continue
        waiting += behind
        at = _received_at(path, offset)
        oldest = min(filter(None, (oldest, at)), default=None)
    return Lag(waiting, oldest)


def _received_at(path: Path, offset: int) -> datetime | None:
    with path.open("rb") as file:
        file.seek(offset)
        try:
            return instant(json.loads(file.readline()).get("received_at"))
        except (ValueError, AttributeError):
            return None


def has_news(home: Path) -> bool:
    """True if some file has grown since it was read."""
    known = places(home)
    return any(
        path.stat().st_size > known.get(_name(home, path), Place()).offset for path in _files(home)
    )


def _pieces(home: Path, known: dict[str, Place]) -> Iterator[Piece]:
    for path in _files(home):
        start = known.get(_name(home, path), Place())
        if path.stat().st_size <= start.offset:
            continue
        with path.open("rb") as file:
            file.seek(start.offset)
            data = file.read(PIECE_BYTES)
        if whole := data[: data.rfind(b"\n") + 1]:
            yield Piece(path, start, whole)


@contextmanager
def _alone(home: Path) -> Iterator[bool]:
    """One tail reads a home at a time; the others have nothing to do."""
    lock = FileLock(log_folder(home) / ".tail.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def load_new(settings: Settings) -> list[Load]:
    """Load a bounded part of the new complete lines of all log files. Returns the loads made.

    Nothing is made when there is nothing new, or while another process reads this home's tail.
    Raises StoreBusy while another job writes, ConfigurationError without a key.
    """
    home = settings.home
    if not log_folder(home).is_dir():
        return []
    with _alone(home) as is_mine:
        known = places(home)
        pieces = list(islice(_pieces(home, known), PIECES_AT_ONCE)) if is_mine else []
        if not pieces:
            return []
        made = _load(settings, pieces)
        _note(home, known | {_name(home, piece.path): piece.end for piece in pieces})
    return made


def _load(settings: Settings, pieces: Sequence[Piece]) -> list[Load]:
    config = {"settings": settings, "secret": pseudonym_key(settings.home)}
    (settings.home / "tmp").mkdir(exist_ok=True, mode=0o700)
    work = Path(mkdtemp(prefix="tail-", dir=settings.home / "tmp"))
    try:
        staged = [_stage(settings.home, config, piece, work / f"{number}.parquet")
                  for number, piece in enumerate(pieces)]
        with Warehouse(settings, retry_ladders(), STORE_WAIT_S) as warehouse:
            for item in staged:
                item.load.load_id = growing_load(warehouse, item.load.file)
            deposit(warehouse, staged)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return [item.load for item in staged]


def _stage(home: Path, config: dict[str, Any], piece: Piece, target: Path) -> Staged:
    digest = hashlib.sha256(piece.data).hexdigest()
    load = Load(_name(home, piece.path), None, "notification_log", digest, digest)
    lines = piece.data.split(b"\n")[:-1]
    stage_chunks([read_lines(config, lines, piece.start.lines + 1)], load, SCHEMA, target)
    return Staged(load, "deliveries", [target])


def discard_old(settings: Settings, now: datetime | None = None) -> list[Path]:
    """Remove log files that are old and wholly loaded. Returns those removed.

    `now` is an instant with a zone; the default is the present.
    """
    home = settings.home
    today = (now or datetime.now(ZoneInfo(settings.shop.timezone))).date()
    last = today - timedelta(days=settings.receiver.keep_days)
    known, removed = places(home), list[Path]()
    for path in _files(home):
        if _is_done(path, last, known.get(_name(home, path))):
            path.unlink()
            removed.append(path)
    gone = {_name(home, path) for path in removed}
    if gone:
        _note(home, {name: at for name, at in known.items() if name not in gone})
    return removed


def _is_done(path: Path, last: date, at: Place | None) -> bool:
    return day_of(path) < last and at is not None and path.stat().st_size <= at.offset

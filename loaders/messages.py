"""Reading logs line by line in parallel: lines in, columns and rejects out."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from loaders.columns import column
from loaders.records import EARLIEST, LATEST, Reject
from loaders.staging import Load

CHINA = timedelta(hours=8)

CHUNK_LINES = 4_000
CHUNK_BYTES = 2_400_000
MAX_TEXT = 256
ODD_CONTENT = (ValueError, TypeError, OverflowError, AttributeError, RecursionError, KeyError)
PARALLEL_FROM_BYTES = 16 * 2**20
MAX_LINE_BYTES = 1 * 2**20


@dataclass(slots=True)
class Chunk:
    """Some consecutive lines, read: their rows as an Arrow table, and the rejects.

    `first_at` and `last_at` are the earliest and latest instants that count as heard; `cards` the
    lines in which a full card number stood.
    """

    table: pa.Table
    rejects: list[Reject]
    first_at: datetime | None
    last_at: datetime | None
    cards: Sequence[int] = ()


Reader = Callable[[list[bytes], int], Chunk]


def packed(
    rows: Sequence[Mapping[str, Any]],
    rejects: list[Reject],
    schema: pa.Schema,
    heard: Sequence[datetime],
    cards: Sequence[int] = (),
) -> Chunk:
    """A chunk of these rows."""
    columns = [column([row.get(item.name) for row in rows], item.type) for item in schema]
    return Chunk(
        table=pa.Table.from_arrays(columns, schema=schema),
        rejects=rejects,
        first_at=min(heard, default=None),
        last_at=max(heard, default=None),
        cards=cards,
    )


def stage_chunks(
    chunks: Iterable[Chunk], load: Load, schema: pa.Schema, target: Path
) -> None:
    """Write chunks into one Parquet file; widen the load's days and watermark by them."""
    with pq.ParquetWriter(target, schema) as writer:
        for chunk in chunks:
            load.reject_all(chunk.rejects)
            load.tell_cards(chunk.cards)
            writer.write_table(chunk.table)
            if chunk.first_at is None or chunk.last_at is None:
                continue
            first, last = ((at + CHINA).date() for at in (chunk.first_at, chunk.last_at))
            load.first_day = min(load.first_day or first, first)
            load.last_day = max(load.last_day or last, last)
            load.watermark = max(load.watermark or chunk.last_at, chunk.last_at)


def line_key(text: bytes) -> int:
    """63 bits that tell one line from another, so that a line read before is known."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def instant(value: object) -> datetime | None:
    """An ISO 8601 text as naive UTC (without a zone it is China time); None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        offset = at.utcoffset()
        at = at.replace(tzinfo=None) - (CHINA if offset is None else offset)
    except (ValueError, OverflowError):
        return None
    return at if EARLIEST <= at <= LATEST else None


def numbered_chunks(path: Path) -> Iterator[tuple[list[bytes], int]]:
    """Lines of a file in chunks, each with the number of its first line (from 1).

    Of a line longer than any message only the beginning is kept, so that it can be rejected.
    """
    number, left, is_skipping = 1, b"", False
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            *lines, left = (left + block).split(b"\n")
            if is_skipping and not lines:
                left = b""
                continue
            if is_skipping:
                lines, is_skipping = lines[1:], False
            if len(left) > MAX_LINE_BYTES:
                lines, left, is_skipping = [*lines, left[: MAX_LINE_BYTES + 1]], b"", True
            if lines:
                yield lines, number
                number += len(lines)
    if left:
        yield [left], number


def read_chunks(path: Path, reader: Reader) -> Iterator[Chunk]:
    """Read a file's lines with `reader`, on all cores when the file is large. Keeps the order."""
    if path.stat().st_size < PARALLEL_FROM_BYTES:
        for lines, number in numbered_chunks(path):
            yield reader(lines, number)
        return
    workers = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        pending = []
        for lines, number in numbered_chunks(path):
            pending.append(pool.submit(reader, lines, number))
            if len(pending) > 2 * workers:
                yield pending.pop(0).result()
        for future in pending:
            yield future.result()

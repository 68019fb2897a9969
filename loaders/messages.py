"""Reading logs line by line in parallel: lines in, columns and rejects out."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loaders.records import Reject

CHUNK_LINES = 4_000
PARALLEL_FROM_BYTES = 24 * 2**20
MAX_LINE_BYTES = 1 * 2**20


@dataclass(slots=True)
class Chunk:
    """Rows (dicts by column name) and rejects of some consecutive lines."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


Reader = Callable[[list[bytes], int], Chunk]


def line_key(text: bytes) -> int:
    """63 bits that tell one line from another, so that a line read before is known."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def numbered_chunks(path: Path) -> Iterator[tuple[list[bytes], int]]:
    """Lines of a file in chunks, each with the number of its first line (from 1)."""
    with path.open("rb") as file:
        number = 1
        while lines := file.readlines(CHUNK_LINES * 600):
            yield lines, number
            number += len(lines)


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

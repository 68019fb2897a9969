"""The trail's high mark: a sealed file of the home by which a wiped or rolled-back trail is known.

It stands beside the trail's key, outside the database, and says how far the trail came and with which
hash. It is written after the commit, so a crash may leave it behind the trail, never before it.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from loaders.logs import event
from loaders.privacy import home_key

KEY = "trail.key"


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest entry known of; `seq` 0 before the first. `is_ours` if its seal is."""

    seq: int
    hash: str
    is_ours: bool = True


def key_of(home: Path) -> bytes:
    """The trail's key; with it begins the file, so that a key without a trail tells of a loss."""
    if not _key_path(home).exists():
        key = home_key(home, KEY)
        raise_to(home, key, Mark(0, ""))
        return key
    return home_key(home, KEY)


def has_key(home: Path) -> bool:
    """True once an entry was to be made in this home."""
    return _key_path(home).exists()


def held(home: Path, key: bytes) -> Mark | None:
    """The mark, or None where there is none."""
    try:
        told = json.loads(_path(home).read_bytes())
        seq, hash_, seal = int(told["seq"]), str(told["hash"]), str(told["seal"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return Mark(1, "", is_ours=False)
    return Mark(seq, hash_, hmac.compare_digest(seal.encode(), _seal(key, seq, hash_).encode()))


def raise_to(home: Path, key: bytes, mark: Mark) -> None:
    """Write the mark unless one as high stands there. The entry stands already: nothing is raised."""
    try:
        with FileLock(home / "keys" / "trail.lock", mode=0o600):
            now = held(home, key)
            if now is None or (now.is_ours and now.seq < mark.seq):
                _write(home, asdict(mark) | {"seal": _seal(key, mark.seq, mark.hash)})
    except OSError as error:
        event("the trail's mark was not written", logging.WARNING, error=error)


def _write(home: Path, told: dict[str, object]) -> None:
    part = home / "keys" / f"trail.mark.{uuid4().hex}"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(_path(home))
    finally:
        part.unlink(missing_ok=True)


def _path(home: Path) -> Path:
    return home / "keys" / "trail.mark"


def _key_path(home: Path) -> Path:
    return home / "keys" / KEY


def _seal(key: bytes, seq: int, hash_: str) -> str:
    return hmac.digest(key, f"mark:{seq}:{hash_}".encode(), "sha256").hex()

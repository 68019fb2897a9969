"""Deeds that the trail is still to hold: what was loaded or taken back, noted where it was done.

A load may run where the ledger cannot be reached, and must not wait for it. So it notes what it did
in a file of the home, and whoever has the ledger takes the notes over into the trail.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

ACTOR: ContextVar[str | None] = ContextVar("actor", default=None)
"""Who acts in this thread or task; otherwise the environment says, or it is who works here."""
ACTOR_VARIABLE = "MDASH_ACTOR"
_NAME, _TAKEN = "deeds.jsonl", "deeds-taken.jsonl"
_TEXTS = ("id", "at", "actor", "action", "subject")


def actor() -> str:
    """Who answers for what is done now."""
    return ACTOR.get() or os.environ.get(ACTOR_VARIABLE) or "local"


def note(home: Path, action: str, subject: str, **detail: Any) -> None:
    """Note a deed by its actor. Raises OSError."""
    at = datetime.now(UTC).replace(tzinfo=None).isoformat()
    told = {"id": uuid4().hex, "at": at, "actor": actor(), "action": action, "subject": subject}
    text = json.dumps(told | {"detail": detail}, ensure_ascii=False, default=str) + "\n"
    with _alone(home):
        handle = os.open(home / _NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode() if _ends_whole(home / _NAME) else b"\n" + text.encode())
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def taken(home: Path) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """The noted deeds, and whether somebody died over them; without an error they are forgotten.

    A line that is none, as a crash leaves it, stands among them as an action `refused` by `system`.
    """
    path, aside = home / _NAME, home / _TAKEN
    if not path.exists() and not aside.exists():
        yield [], False
        return
    with _alone(home):
        was_left = aside.exists()
        if not was_left:
            path.rename(aside)
        yield [_read(line) for line in aside.read_bytes().split(b"\n") if line], was_left
        aside.unlink()


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _read(line: bytes) -> dict[str, Any]:
    try:
        deed: dict[str, Any] = json.loads(line)
        if not all(isinstance(deed[name], str) for name in _TEXTS) or not _is_plain(deed["detail"]):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        return {
            "id": sha256(line).hexdigest()[:32], "at": None, "actor": "system", "action": "refused",
            "subject": "a noted deed", "detail": {"why": "torn", "bytes": len(line)},
        }
    return deed


def _is_plain(detail: object) -> bool:
    return isinstance(detail, dict) and not detail.keys() & {"deed", "done_at"}


def _alone(home: Path) -> FileLock:
    return FileLock(home / "deeds.lock", mode=0o600)

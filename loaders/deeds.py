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
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

ACTOR: ContextVar[str | None] = ContextVar("actor", default=None)
"""Who acts in this thread or task; otherwise the environment says, or it is who works here."""
ACTOR_VARIABLE = "MDASH_ACTOR"
_NAME, _TAKEN = "deeds.jsonl", "deeds-taken.jsonl"


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
            file.write(text.encode())


@contextmanager
def taken(home: Path) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """The noted deeds, and whether somebody died over them; without an error they are forgotten."""
    path, aside = home / _NAME, home / _TAKEN
    if not path.exists() and not aside.exists():
        yield [], False
        return
    with _alone(home):
        was_left = aside.exists()
        if not was_left:
            path.rename(aside)
        yield [json.loads(line) for line in aside.read_bytes().splitlines()], was_left
        aside.unlink()


def _alone(home: Path) -> FileLock:
    return FileLock(home / "deeds.lock", mode=0o600)

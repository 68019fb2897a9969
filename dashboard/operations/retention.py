"""How long what is kept is kept: old files and rows are removed by their own settings."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, inspect

from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.tables import METADATA
from loaders.settings import Settings
from loaders.tail import discard_old

_WORK = ("upload-*", "pull-*", "tail-*")
"""Folders in the home's `tmp` that a killed program left."""


def apply(settings: Settings, ledger: Ledger, at: datetime | None = None) -> dict[str, int]:
    """Remove what is past its time (naive UTC); returns how much of each was removed."""
    moment, keep = at or now(), settings.retention
    return {
        "notification_files": len(discard_old(settings)),
        "call_logs": _files(settings.home / "logs", "*calls-*.jsonl", keep.calls, moment),
        "uploads": _folders(settings.home / "tmp", keep.uploads, moment),
        "sessions": _sessions(ledger, keep.sessions, moment),
        "trail": audit.trim(ledger, moment - timedelta(keep.trail)) if keep.trail else 0,
    }


def _files(folder: Path, pattern: str, days: int | None, at: datetime) -> int:
    old = [path for path in folder.glob(pattern) if days and _age(path, at) > timedelta(days)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _folders(folder: Path, days: int | None, at: datetime) -> int:
    old = [
        path for pattern in _WORK for path in folder.glob(pattern)
        if days and path.is_dir() and _age(path, at) > timedelta(days)
    ]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _age(path: Path, at: datetime) -> timedelta:
    return at - datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)


def _sessions(ledger: Ledger, days: int | None, at: datetime) -> int:
    """Sessions nobody used for so long; they ended long before."""
    table = METADATA.tables.get("sessions")
    if table is None or not days:
        return 0
    with ledger.transaction() as connection:
        if not inspect(connection).has_table("sessions"):
            return 0
        done = connection.execute(delete(table).where(table.c.seen_at < at - timedelta(days)))
        return int(done.rowcount)

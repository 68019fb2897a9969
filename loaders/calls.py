"""The job that brings the log of calls into the store, so that answers correct their trades."""

from __future__ import annotations

import json
from pathlib import Path

from loaders.errors import MdashError
from loaders.file_report import FileReport
from loaders.load import load_paths
from loaders.settings import Settings
from loaders.store.warehouse import LOCK_WAIT_S

_SEEN = "calls-loaded.json"


def load_calls(settings: Settings, wait_s: float = LOCK_WAIT_S) -> list[FileReport]:
    """Load the days of the log of calls that have grown since they were loaded.

    Raises MdashError if a file is refused, and StoreBusy if the store is not free within `wait_s`;
    what was read before is not read twice.
    """
    folder = settings.home / "logs"
    seen, sizes = _seen(folder), _sizes(folder)
    grown = [name for name, size in sizes.items() if seen.get(name) != size]
    if not grown:
        return []
    reports = load_paths(
        settings, [folder / name for name in grown], wait_s=wait_s, is_noted=False
    )
    for report in reports:
        if report.status == "refused" and report.template:
            raise MdashError(report.template, **report.values)
    _keep(folder, {name: size for name, size in (seen | {n: sizes[n] for n in grown}).items()
                   if name in sizes})
    return reports


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("calls-*.jsonl"))}


def _seen(folder: Path) -> dict[str, int]:
    """Bytes loaded of each file; a damaged record only means that files are read again."""
    try:
        found = json.loads((folder / _SEEN).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(folder: Path, seen: dict[str, int]) -> None:
    fresh = folder / f"{_SEEN}.new"
    fresh.write_text(json.dumps(seen), "utf-8")
    fresh.replace(folder / _SEEN)

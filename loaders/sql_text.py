"""Values and paths as SQL has them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def quoted(value: object) -> str:
    """A text in quotes."""
    return "'" + str(value).replace("'", "''") + "'"


def listed(paths: Iterable[Path]) -> str:
    """Paths as a list of texts."""
    return "[" + ", ".join(quoted(path) for path in paths) + "]"

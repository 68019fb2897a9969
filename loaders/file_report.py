"""What became of one file: counts, days and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from loaders.errors import ConfigurationError, MdashError
from loaders.privacy import mask_personal
from loaders.records import Reject
from loaders.staging import Load


@dataclass(slots=True)
class FileReport:
    """What became of one file. `template` with `values` is the sentence for people."""

    path: str
    channel: str | None = None
    kind: str | None = None
    status: str = "refused"
    rows: int = 0
    rejected: int = 0
    duplicates: int = 0
    cards: int = 0
    sha256: str | None = None
    covers: tuple[date, date] | None = None
    template: str | None = None
    values: dict[str, object] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    exit_code: int = 0


def refuse(report: FileReport, error: MdashError) -> None:
    """Say why a file is not loaded."""
    report.status = "refused"
    report.template, report.values = error.template, _masked(error.values)
    report.exit_code = 2 if isinstance(error, ConfigurationError) else 4


def _masked(values: Mapping[str, object]) -> dict[str, object]:
    """A sentence's values without what is personal: a line may hold it where a code should be."""
    return {
        name: mask_personal(value) if isinstance(value, str) else value
        for name, value in values.items()
    }


_STATUSES = ("replaced", "loaded", "superseded", "duplicate")
"""What a file of several bills is called: the first of these that any of them is."""


def tell(report: FileReport, loads: Sequence[Load]) -> None:
    """Add up what became of a file's loads."""
    if not loads:
        return
    for load in loads:
        report.rows += load.rows
        report.rejected += load.reject_count
        report.duplicates += load.duplicates
        report.rejects.extend(load.rejects)
        report.cards += load.card_count
        if load.first_day and load.last_day:
            begin, end = report.covers or (load.first_day, load.last_day)
            report.covers = (min(begin, load.first_day), max(end, load.last_day))
    met = {load.status for load in loads}
    first_card = min((load.cards[0].line for load in loads if load.cards), default=0)
    report.status = next(name for name in _STATUSES if name in met)
    if report.rejected:
        report.exit_code = 3
        report.template = "{count} rows or messages were rejected; the first is line {line}: {why}"
        first = report.rejects[0]
        report.values = {
            "count": report.rejected,
            "line": first.line,
            "why": MdashError(first.template, **_masked(first.values)),
        }
    elif report.cards:
        report.template = "A full payment card number was masked in {count} lines; the first is {line}."
        report.values = {"count": report.cards, "line": first_card}
    elif report.status == "superseded":
        report.template = (
            "A newer export of the same days, or one with all of their rows, is loaded already; this"
            " one changes nothing."
        )

"""What a job has read and not yet stored: rows in Parquet beside a load's description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from loaders.records import Reject

MAX_KEPT_REJECTS = 50_000
CARD_MASKED = "A full payment card number stood here; it was masked, and the line was taken."


@dataclass(slots=True)
class Load:
    """One load as it will stand in the ledger of loads. Instants are naive UTC.

    A `load_id` given beforehand is that of a growing log's load, which these lines are added to.
    """

    file: str
    channel: str | None
    kind: str
    sha256: str
    content_key: str
    account: str = ""
    part: str = "whole"
    first_day: date | None = None
    last_day: date | None = None
    exported_at: datetime | None = None
    watermark: datetime | None = None
    rows: int = 0
    duplicates: int = 0
    rejects: list[Reject] = field(default_factory=list)
    reject_count: int = 0
    cards: list[Reject] = field(default_factory=list)
    card_count: int = 0
    status: str = "loaded"
    load_id: int = 0

    def reject_all(self, rejects: list[Reject]) -> None:
        """Count rejects, and keep them up to a bound that no careful log reaches."""
        self.reject_count += len(rejects)
        self.rejects.extend(rejects[: max(0, MAX_KEPT_REJECTS - len(self.rejects))])

    def tell_cards(self, lines: Sequence[int]) -> None:
        """Count lines in which a full card number was masked; they are told like rejects."""
        self.card_count += len(lines)
        kept = lines[: max(0, MAX_KEPT_REJECTS - len(self.cards))]
        self.cards.extend(Reject(line, CARD_MASKED) for line in kept)


@dataclass(slots=True)
class Staged:
    """A load with its rows: `parts` are Parquet files for the lake table `table`.

    Those of `whole` have the table's columns already, as the load `whole_for` (its number and
    account) has them. The channel's days end `day_ends` after their beginning.
    """

    load: Load
    table: str
    parts: list[Path]
    whole: list[Path] = field(default_factory=list)
    whole_for: tuple[int, str] | None = None
    day_rows: dict[date, int] = field(default_factory=dict)
    day_ends: timedelta = timedelta(days=1)

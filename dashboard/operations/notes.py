"""Notes of people, and everything else worth marking on a chart: loads, definitions, sales, alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Row, delete, insert, or_, select

from dashboard.metrics.alert_windows import campaigns, load_marks
from dashboard.metrics.catalogue import metrics
from dashboard.metrics.question import NAMED_DIMENSIONS
from dashboard.operations.episodes import recorded
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.tables import METRIC_VERSIONS, NOTES
from dashboard.operations.views import LOCAL
from loaders.errors import RefusedInput
from loaders.store.reader import Reader

MAX_TEXT = 500
Kind = Literal["note", "load", "definition", "campaign", "alert"]


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote at a day or an instant (naive UTC). `filters`: dimension → value."""

    id: int
    day: date | None
    at: datetime | None
    text: str
    author: str
    filters: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Annotation:
    """A mark on a chart, from `begin` to `end` (naive UTC; None: a moment, or not over yet).

    `title` is a template with `values` for `say`; a note's text and author are values too.
    """

    kind: Kind
    begin: datetime
    end: datetime | None
    title: str
    values: Mapping[str, object]
    filters: Mapping[str, str] = field(default_factory=dict)
    id: int | None = None


def add_note(
    ledger: Ledger, text: str, *, day: date | None = None, at: datetime | None = None,
    author: str = LOCAL, filters: Mapping[str, str] | None = None,
) -> Note:
    """Write a note at a business day or at an instant (naive UTC). Raises RefusedInput."""
    words = " ".join(text.split())
    if not 1 <= len(words) <= MAX_TEXT:
        raise RefusedInput("A note has 1 to {count} characters.", count=MAX_TEXT)
    if (day is None) == (at is None):
        raise RefusedInput("A note stands at a day or at an instant.")
    given = dict(filters or {})
    for name in given:
        if name not in NAMED_DIMENSIONS:
            raise RefusedInput("There is no dimension {name}; there are {names}.", name=name,
                               names=", ".join(NAMED_DIMENSIONS))
    with ledger.transaction() as connection:
        row = connection.execute(
            insert(NOTES)
            .values(day=day, at=at, text=words, author=author, filters=given, created_at=now())
            .returning(NOTES)
        ).one()
    return _note(row)


def notes(ledger: Ledger, first_day: date, last_day: date, timezone: str) -> list[Note]:
    """Notes of a period of business days, in time order."""
    begin, end = _bounds(first_day, last_day, timezone)
    wanted = or_(
        NOTES.c.day.between(first_day, last_day), (NOTES.c.at >= begin) & (NOTES.c.at < end)
    )
    with ledger.reading() as connection:
        found = [_note(row) for row in connection.execute(select(NOTES).where(wanted))]
    return sorted(found, key=lambda note: (_begin(note, timezone), note.id))


def remove_note(ledger: Ledger, note_id: int, *, author: str = LOCAL) -> None:
    """Delete one's own note. Raises RefusedInput."""
    with ledger.transaction() as connection:
        done = connection.execute(
            delete(NOTES).where(NOTES.c.id == note_id, NOTES.c.author == author)
        )
    if done.rowcount == 0:
        raise RefusedInput("There is no such note of yours.")


def see_definitions(ledger: Ledger) -> None:
    """Remember since when each metric's version is in use here."""
    wanted = {(item.name, item.version) for item in metrics().values()}
    table = METRIC_VERSIONS
    seen = select(table.c.metric, table.c.version)
    with ledger.reading() as connection:
        missing = wanted - {(row.metric, row.version) for row in connection.execute(seen)}
    if not missing:
        return
    with ledger.transaction() as connection:
        missing = wanted - {(row.metric, row.version) for row in connection.execute(seen)}
        for name, version in sorted(missing):
            connection.execute(
                insert(table).values(metric=name, version=version, first_seen_at=now())
            )


def timeline(
    ledger: Ledger, reader: Reader, first_day: date, last_day: date
) -> list[Annotation]:
    """Everything worth marking in a period of business days, in time order."""
    timezone = reader.settings.shop.timezone
    begin, end = _bounds(first_day, last_day, timezone)
    found = [
        Annotation(
            "note", _begin(note, timezone),
            None if note.day is None else _begin(note, timezone) + timedelta(days=1),
            "{text} ({author})", {"text": note.text, "author": note.author}, note.filters, note.id,
        )
        for note in notes(ledger, first_day, last_day, timezone)
    ]
    found += _definitions(ledger, begin, end)
    found += _alerts(ledger, begin, end)
    found += _from_store(reader, first_day, last_day, begin, end)
    return sorted(found, key=lambda item: (item.begin, item.kind, item.title))


def _definitions(ledger: Ledger, begin: datetime, end: datetime) -> list[Annotation]:
    """Changes of definitions; the version that a ledger began with is no change."""
    table = METRIC_VERSIONS
    see_definitions(ledger)
    with ledger.reading() as connection:
        rows = connection.execute(select(table).order_by(table.c.metric, table.c.version)).all()
    beginnings: dict[str, int] = {}
    for row in rows:
        beginnings.setdefault(row.metric, row.version)
    return [
        Annotation(
            "definition", row.first_seen_at, None, "Definition of {metric} changed to version {version}",
            {"metric": row.metric, "version": row.version},
        )
        for row in rows
        if row.version != beginnings[row.metric] and begin <= row.first_seen_at < end
    ]


def _alerts(ledger: Ledger, begin: datetime, end: datetime) -> list[Annotation]:
    return [
        Annotation(
            "alert", item.episode.begun_at, item.episode.ended_at, "Alert {name}",
            {"name": item.alert}, {name: value or "" for name, value in item.part}, item.id,
        )
        for item in recorded(ledger, begin, end)
    ]


def _from_store(
    reader: Reader, first_day: date, last_day: date, begin: datetime, end: datetime
) -> list[Annotation]:
    timezone = reader.settings.shop.timezone
    found = [
        Annotation("load", row["loaded_at"], None, "Loaded: {file}",
                   {"file": row["file"], "rows": row["rows"]}, {}, row["load_id"])
        for row in load_marks(reader, begin, end)
    ]
    for row in campaigns(reader, first_day, last_day):
        first, _ = _bounds(row["first_day"], row["first_day"], timezone)
        _, last = _bounds(row["last_day"], row["last_day"], timezone)
        found.append(
            Annotation("campaign", first, last, "Campaign {name}", {"name": row["campaign"]},
                       {"campaign": row["campaign"]})
        )
    return found


def _bounds(first_day: date, last_day: date, timezone: str) -> tuple[datetime, datetime]:
    return _midnight(first_day, timezone), _midnight(last_day + timedelta(days=1), timezone)


def _midnight(day: date, timezone: str) -> datetime:
    local = datetime.combine(day, time(), ZoneInfo(timezone))
    return local.astimezone(UTC).replace(tzinfo=None)


def _begin(note: Note, timezone: str) -> datetime:
    if note.at is not None:
        return note.at
    assert note.day is not None
    return _midnight(note.day, timezone)


def _note(row: Row[Any]) -> Note:
    return Note(**row._mapping)


def marked(items: Sequence[Annotation], where: Mapping[str, Sequence[str]]) -> list[Annotation]:
    """Those annotations that concern a view filtered so: none of their filters contradicts it."""
    return [
        item for item in items
        if all(value in where[name] for name, value in item.filters.items() if name in where)
    ]

"""Checking alerts: episodes are found, written down once, and their messages put into the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from dashboard.metrics.alert_windows import Contributor, Part
from dashboard.metrics.alert_windows import contributors as found_contributors
from dashboard.operations.alert_messages import Writer
from dashboard.operations.alert_rules import Freshness, StoredRule, SuccessRate, rules
from dashboard.operations.alerts import Episode
from dashboard.operations.backtest import Finding, as_of, findings, part_name, part_of
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.outbox import put, targets
from dashboard.operations.tables import ALERT_EPISODES, ALERT_RULES
from loaders.settings import Settings
from loaders.store.reader import Reader

LOOK_BACK, FARTHEST = timedelta(days=1), timedelta(days=35)


@dataclass(frozen=True, slots=True)
class StoredEpisode:
    """An episode as it was written down. `contributors`: product, client, reason, lost, n, excess."""

    id: int
    alert: str
    kind: str
    part: Part
    episode: Episode
    contributors: list[dict[str, Any]]


def recorded(
    ledger: Ledger, first: datetime | None = None, last: datetime | None = None
) -> list[StoredEpisode]:
    """Episodes that touch the span from `first` to `last` (naive UTC), newest first."""
    table = ALERT_EPISODES
    query = select(table, ALERT_RULES.c.name, ALERT_RULES.c.kind).join(ALERT_RULES)
    if first is not None:
        query = query.where(or_(table.c.ended_at.is_(None), table.c.ended_at >= first))
    if last is not None:
        query = query.where(table.c.begun_at < last)
    with ledger.reading() as connection:
        rows = connection.execute(query.order_by(table.c.begun_at.desc(), table.c.id.desc())).all()
    return [
        StoredEpisode(
            row.id, row.name, row.kind, part_of(row.part), _episode(row), row.contributors
        )
        for row in rows
    ]


def _episode(row: Row[Any]) -> Episode:
    worst = float("inf") if row.worst is None else row.worst
    return Episode(row.begun_at, row.noticed_at, row.ended_at, worst, row.baseline, row.n)


def check_all(
    settings: Settings, ledger: Ledger, reader: Reader
) -> tuple[int, list[tuple[str, Exception]]]:
    """Check every enabled rule; one rule's trouble never keeps the others from being checked.

    Returns how many episodes are new, and the rules that failed with their errors.
    """
    total, troubles = 0, []
    for stored in rules(ledger):
        if not stored.is_enabled:
            continue
        try:
            total += check(settings, ledger, reader, stored)
        except Exception as error:
            troubles.append((stored.name, error))
    return total, troubles


def check(settings: Settings, ledger: Ledger, reader: Reader, stored: StoredRule) -> int:
    """Check one rule up to the as-of of its sources; returns how many episodes are new.

    Nothing is done where its sources told nothing since the last check.
    """
    until = as_of(reader, stored.rule)
    if until is None or until == stored.checked_until:
        return 0
    begin = _begin(ledger, stored, until)
    found = findings(reader, stored.rule, begin, until)
    with ledger.reading() as connection:
        known = _known(connection, stored.id)
    told = {
        id(item): _contributors(reader, stored, item, until)
        for item in found if _same(known, item) is None
    }
    with ledger.transaction() as connection:
        return _record(connection, settings, stored, found, told, until)


def _begin(ledger: Ledger, stored: StoredRule, until: datetime) -> datetime:
    """From when to look: a day before the last check, or the oldest open episode's beginning."""
    with ledger.reading() as connection:
        held = [row.begun_at for row in _known(connection, stored.id) if row.ended_at is None]
    marks: list[datetime] = [min(stored.checked_until or until, until) - LOOK_BACK, *held]
    return max(min(marks), until - FARTHEST)


def _known(connection: Connection, rule_id: int) -> Sequence[Row[Any]]:
    table = ALERT_EPISODES
    return connection.execute(
        select(table).where(table.c.rule_id == rule_id).order_by(table.c.begun_at)
    ).all()


def _same(known: Sequence[Row[Any]], finding: Finding) -> Row[Any] | None:
    """The episode written down before that this one overlaps or continues."""
    name, episode = part_name(finding.part), finding.episode
    for row in known:
        begins_before_its_end = row.ended_at is None or episode.begun_at <= row.ended_at
        ends_after_its_begin = episode.ended_at is None or episode.ended_at >= row.begun_at
        if row.part == name and begins_before_its_end and ends_after_its_begin:
            return row
    return None


def _contributors(
    reader: Reader, stored: StoredRule, finding: Finding, until: datetime
) -> list[Contributor]:
    if not isinstance(stored.rule, SuccessRate):
        return []
    episode = finding.episode
    end = episode.ended_at or max(until, episode.noticed_at)
    return found_contributors(reader, finding.part, episode.begun_at, end, until)


def _record(
    connection: Connection, settings: Settings, stored: StoredRule, found: Sequence[Finding],
    told: dict[int, list[Contributor]], until: datetime,
) -> int:
    writer, new, met = Writer(settings), 0, set()
    for item in found:
        row = _same(_known(connection, stored.id), item)
        if row is None:
            reasons = told.get(id(item), [])
            met.add(_insert(connection, settings, stored, item, reasons, writer))
            new += 1
            continue
        met.add(row.id)
        if row.ended_at is None and item.episode.ended_at is not None:
            _end(connection, settings, stored, row, item, writer)
    for row in _known(connection, stored.id):
        if row.id not in met and row.ended_at is None and row.noticed_at <= until:
            over = replace(_episode(row), ended_at=row.noticed_at)
            _end(connection, settings, stored, row, Finding(part_of(row.part), over), writer)
    if not isinstance(stored.rule, Freshness):
        connection.execute(
            update(ALERT_RULES).where(ALERT_RULES.c.id == stored.id).values(checked_until=until)
        )
    return new


def _insert(
    connection: Connection, settings: Settings, stored: StoredRule, finding: Finding,
    reasons: list[Contributor], writer: Writer,
) -> int:
    episode = finding.episode
    key: int = connection.execute(
        insert(ALERT_EPISODES)
        .values(
            rule_id=stored.id, part=part_name(finding.part), begun_at=episode.begun_at,
            noticed_at=episode.noticed_at, ended_at=episode.ended_at,
            worst=None if episode.worst == float("inf") else episode.worst,
            baseline=episode.baseline, n=episode.n,
            contributors=[asdict(item) for item in reasons], recorded_at=now(),
        )
        .returning(ALERT_EPISODES.c.id)
    ).scalar_one()
    message = writer.raised(stored.name, stored.rule, finding, reasons)
    _tell(connection, settings, f"alert:{key}:raised", message)
    return key


def _end(
    connection: Connection, settings: Settings, stored: StoredRule, row: Row[Any],
    finding: Finding, writer: Writer,
) -> None:
    episode = finding.episode
    connection.execute(
        update(ALERT_EPISODES)
        .where(ALERT_EPISODES.c.id == row.id)
        .values(
            ended_at=episode.ended_at, baseline=episode.baseline, n=episode.n,
            worst=None if episode.worst == float("inf") else episode.worst,
        )
    )
    message = writer.recovered(stored.name, stored.rule, finding)
    _tell(connection, settings, f"alert:{row.id}:recovered", message)


def _tell(connection: Connection, settings: Settings, key: str, message: dict[str, Any]) -> None:
    for target, recipient in targets(settings):
        put(connection, key, target, recipient, message)

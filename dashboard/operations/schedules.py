"""Reports that come by mail: who gets which, and when the next and the last one are due."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import Row, delete, insert, or_, select, update

from dashboard.metrics.catalogue import metric_named
from dashboard.operations import audit
from dashboard.operations.delivery import address
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.tables import REPORT_SCHEDULES, SAVED_VIEWS
from dashboard.operations.views import LOCAL, named
from loaders.errors import ConfigurationError, RefusedInput

Cadence = Literal["daily", "weekly", "monthly"]
Format = Literal["none", "csv", "xlsx", "pdf"]
KEY_METRICS = ("sales", "conversion", "payment_success", "refund_rate", "settlement")
MAX_RECIPIENTS = 50
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A report. `time` is shop-local HH:MM; `on_day` the ISO weekday or the day of the month."""

    id: int
    name: str
    owner: str
    cadence: Cadence
    time: str
    on_day: int | None
    view_id: int | None
    metrics: tuple[str, ...]
    recipients: tuple[str, ...]
    format: Format
    is_enabled: bool
    created_at: datetime


def save_schedule(
    ledger: Ledger, name: str, cadence: Cadence, at: str, recipients: Sequence[str], *,
    on_day: int | None = None, view_id: int | None = None,
    metrics: Sequence[str] = KEY_METRICS, format_: Format = "none", owner: str = LOCAL,
    is_enabled: bool = True,
) -> Schedule:
    """Save a report; one of the owner's with that name is replaced. Raises RefusedInput."""
    _check_time(cadence, at, on_day)
    if format_ not in get_args(Format):
        raise RefusedInput("There is no format {name}.", name=str(format_))
    for metric in metrics:
        metric_named(metric)
    values = {
        "name": named(name), "owner": owner, "cadence": cadence, "time": at,
        "on_day": None if cadence == "daily" else on_day, "view_id": view_id,
        "metrics": list(metrics), "recipients": _recipients(recipients), "format": format_,
        "is_enabled": is_enabled, "created_at": now(),
    }
    table = REPORT_SCHEDULES
    with ledger.transaction() as connection:
        visible = or_(SAVED_VIEWS.c.owner == owner, SAVED_VIEWS.c.is_shared)
        if view_id is not None and not connection.execute(
            select(SAVED_VIEWS.c.id).where(SAVED_VIEWS.c.id == view_id, visible)
        ).first():
            raise RefusedInput("There is no such view.")
        row = connection.execute(
            update(table).where(table.c.owner == owner, table.c.name == values["name"])
            .values(values).returning(table)
        ).first() or connection.execute(insert(table).values(values).returning(table)).one()
        audit.append(ledger, connection, owner, "report_changed", f"report {row.name}",
                     cadence=cadence, recipients=len(row.recipients), format=format_)
    return schedule_of(row)


def schedules(ledger: Ledger, owner: str | None = None) -> list[Schedule]:
    """Every report, or one owner's, by name."""
    query = select(REPORT_SCHEDULES).order_by(REPORT_SCHEDULES.c.name)
    if owner is not None:
        query = query.where(REPORT_SCHEDULES.c.owner == owner)
    with ledger.reading() as connection:
        return [schedule_of(row) for row in connection.execute(query)]


def remove_schedule(
    ledger: Ledger, schedule_id: int, *, owner: str | None = LOCAL, actor: str | None = None
) -> None:
    """Delete one of the owner's reports; of None, anybody's. Raises RefusedInput."""
    table = REPORT_SCHEDULES
    wanted = [table.c.id == schedule_id] + ([] if owner is None else [table.c.owner == owner])
    with ledger.transaction() as connection:
        gone = connection.execute(
            delete(table).where(*wanted).returning(table.c.name, table.c.owner)
        ).first()
        if gone is None:
            raise RefusedInput("There is no such report of yours.")
        audit.append(ledger, connection, actor or gone.owner, "report_changed",
                     f"report {gone.name}", removed=True, owner=gone.owner)


def last_due(schedule: Schedule, at: datetime, timezone: str) -> datetime | None:
    """The latest instant up to `at` (both naive UTC) at which the report was due.

    None before the first one after it was set up. A time that a clock change skips is taken an
    hour later; one that comes twice, the first time.
    """
    zone = ZoneInfo(timezone)
    today = at.replace(tzinfo=UTC).astimezone(zone).date()
    for back in range(63):
        day = today - timedelta(days=back)
        if _falls_on(schedule, day):
            due = _instant(day, schedule.time, zone)
            if due <= at:
                return due if due > schedule.created_at else None
    return None


def next_due(schedule: Schedule, at: datetime, timezone: str) -> datetime:
    """The first instant after `at` (both naive UTC) at which the report is due."""
    zone = ZoneInfo(timezone)
    day = at.replace(tzinfo=UTC).astimezone(zone).date() - timedelta(days=1)
    while not (_falls_on(schedule, day) and _instant(day, schedule.time, zone) > at):
        day += timedelta(days=1)
    return _instant(day, schedule.time, zone)


def period(schedule: Schedule, due_at: datetime, timezone: str) -> tuple[date, date]:
    """First and last business day that the report due at this instant tells of: whole past days."""
    day = due_at.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).date()
    if schedule.cadence == "monthly":
        last = day.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    length = 7 if schedule.cadence == "weekly" else 1
    return day - timedelta(days=length), day - timedelta(days=1)


def _falls_on(schedule: Schedule, day: date) -> bool:
    if schedule.cadence == "weekly":
        return day.isoweekday() == schedule.on_day
    if schedule.cadence == "monthly":
        length = calendar.monthrange(day.year, day.month)[1]
        return day.day == min(schedule.on_day or 1, length)
    return True


def _instant(day: date, at: str, zone: ZoneInfo) -> datetime:
    local = datetime.combine(day, time.fromisoformat(at), zone)
    return local.astimezone(UTC).replace(tzinfo=None)


def _check_time(cadence: str, at: str, on_day: int | None) -> None:
    if not _TIME.fullmatch(at):
        raise RefusedInput("{time} is not a time like 08:30.", time=repr(at[:20]))
    if cadence not in get_args(Cadence):
        raise RefusedInput("A report comes daily, weekly or monthly.")
    most = {"daily": None, "weekly": 7, "monthly": 31}[cadence]
    if most is not None and (on_day is None or not 1 <= on_day <= most):
        raise RefusedInput("The day of this report is from 1 to {count}.", count=most)


def _recipients(recipients: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(item.strip() for item in recipients if item.strip()))
    if not 1 <= len(found) <= MAX_RECIPIENTS:
        raise RefusedInput("A report goes to 1 to {count} people.", count=MAX_RECIPIENTS)
    try:
        return [address(item) for item in found]
    except ConfigurationError as error:
        raise RefusedInput(error.template, **error.values) from None


def schedule_of(row: Row[Any]) -> Schedule:
    """A schedule from its row."""
    values = dict(row._mapping)
    values["metrics"] = tuple(values["metrics"])
    values["recipients"] = tuple(values["recipients"])
    return Schedule(**values)

"""Reports by mail: the key numbers of a period with their as-of, written down before they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import insert, select

from dashboard.identity.rights import SYSTEM
from dashboard.metrics.catalogue import Answer, ask, metric_named
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from dashboard.operations import audit
from dashboard.operations.delivery import Attachment
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.outbox import put
from dashboard.operations.owners import may_send_now
from dashboard.operations.schedules import (
    KEY_METRICS,
    Schedule,
    last_due,
    period,
    schedule_of,
    schedules,
)
from dashboard.operations.tables import REPORT_RUNS, REPORT_SCHEDULES, SAVED_VIEWS
from dashboard.wording import Say, speaker
from dashboard.wording.formats import NOTHING, instant, money, number, percent
from dashboard.wording.labels import FIELDS, WORDS
from loaders.errors import RefusedInput
from loaders.settings import Settings
from loaders.store.reader import Reader

_FIELDS = {
    "sales": ("orders", "paid", "paid_fen", "refunds", "refunded_fen"),
    "conversion": ("matured", "rate"),
    "payment_success": ("orders", "rate", "first_attempt_rate"),
    "refund_rate": ("refunded", "rate"),
    "settlement": ("gross_fen", "refunded_fen", "fee_fen", "net_fen"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a report is made of. `page` and `query` are the saved view's, if it has one."""

    schedule: Schedule
    first_day: date
    last_day: date
    page: str
    query: str

    def question(self) -> Question:
        """The question of its period under the view's filters."""
        where: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            if name in NAMED_DIMENSIONS:
                where.setdefault(name, []).append(value)
        return Question(self.first_day, self.last_day, (), where)

    def before(self) -> Question:
        """The same question of the period before: as many days, or the calendar month."""
        last = self.first_day - timedelta(days=1)
        first = self.first_day - (self.last_day - last)
        if self.schedule.cadence == "monthly":
            first = last.replace(day=1)
        return replace(self.question(), first_day=first, last_day=last)


@dataclass(frozen=True, slots=True)
class Letter:
    """A report as it is sent."""

    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]


Attach = Callable[[Report], Sequence[Attachment]]
"""The files of a report, in its schedule's format."""


def plan(settings: Settings, ledger: Ledger, at: datetime | None = None) -> int:
    """Write down the reports that are due, each once, and their mails; returns how many."""
    moment, total = at or now(), 0
    for schedule in schedules(ledger):
        due_at = last_due(schedule, moment, settings.shop.timezone)
        if schedule.is_enabled and due_at is not None:
            total += _write_down(settings, ledger, schedule, due_at)
    return total


def _write_down(settings: Settings, ledger: Ledger, schedule: Schedule, due_at: datetime) -> bool:
    first_day, last_day = period(schedule, due_at, settings.shop.timezone)
    table = REPORT_RUNS
    same = (table.c.schedule_id == schedule.id, table.c.due_at == due_at)
    with ledger.transaction() as connection:
        if connection.execute(select(table.c.id).where(*same)).first():
            return False
        run = connection.execute(
            insert(table)
            .values(
                schedule_id=schedule.id, due_at=due_at, first_day=first_day, last_day=last_day,
                started_at=now(),
            )
            .returning(table.c.id)
        ).scalar_one()
        if not may_send_now(connection, schedule.owner):
            audit.append(ledger, connection, SYSTEM.name, "report_skipped",
                         f"report {schedule.name}", owner=schedule.owner)
            return False
        for recipient in schedule.recipients:
            put(connection, f"report:{run}", "mail", recipient, {"report_run": run})
    return True


def report_of(ledger: Ledger, run: int) -> Report:
    """The report of a run that was written down.

    Raises RefusedInput if it was deleted since, or is nobody's who may take files away.
    """
    with ledger.reading() as connection:
        row = connection.execute(select(REPORT_RUNS).where(REPORT_RUNS.c.id == run)).first()
        if row is None:
            raise RefusedInput("The report was deleted.")
        schedule = schedule_of(
            connection.execute(
                select(REPORT_SCHEDULES).where(REPORT_SCHEDULES.c.id == row.schedule_id)
            ).one()
        )
        if not may_send_now(connection, schedule.owner):
            raise RefusedInput(
                "Not sent: {name} has no account that may take files away.", name=schedule.owner
            )
        view = connection.execute(
            select(SAVED_VIEWS).where(SAVED_VIEWS.c.id == schedule.view_id)
        ).first()
    page, query = (view.page, view.query) if view else ("overview", "")
    return Report(schedule, row.first_day, row.last_day, page, query)


def letter(
    settings: Settings, reader: Reader, report: Report, attach: Attach | None = None
) -> Letter:
    """The report in the shop's language: key numbers beside those of the period before."""
    language = settings.shop.language
    say = speaker(language)
    names, left_out = _answerable(report)
    answers = [ask(reader, name, report.question()) for name in names]
    before = [ask(reader, name, report.before()) for name in names]
    rows = [
        row for new, old in zip(answers, before, strict=True) for row in _rows(new, old, say, language)
    ]
    marks = [answer.as_of for answer in answers if answer.as_of is not None]
    subject = say(
        "[{shop}] {name}: {period}", shop=settings.shop.name or "mdash", name=report.schedule.name,
        period=_period(report),
    )
    told = [say("As of {at}", at=instant(min(marks, default=None), settings.shop.timezone))]
    told += _notes(answers, say)
    told += [
        say("{metric} is left out: it cannot be filtered so.", metric=say(title))
        for title in left_out
    ]
    if filters := report.question().where:
        told.insert(0, _filters(filters, say))
    files = _files(report, attach)
    if report.schedule.format != "none" and not files:
        told.append(say("The files of this report could not be made; they are on the dashboard."))
    if address := _link(settings, report):
        told.append(address)
    heading = ("", say("This period"), say("Period before"))
    return Letter(subject, _text(heading, rows, told), _html(subject, heading, rows, told), files)


def _answerable(report: Report) -> tuple[list[str], list[str]]:
    """Names of the report's metrics that know its filters, and titles of those that do not."""
    chosen = [metric_named(name) for name in report.schedule.metrics or KEY_METRICS]
    where = set(report.question().where)
    known = [metric.name for metric in chosen if where <= set(metric.dimensions)]
    return known, [metric.title for metric in chosen if metric.name not in known]


def _rows(new: Answer, old: Answer, say: Say, language: str) -> list[tuple[str, str, str]]:
    now_row, old_row = (answer.rows[0] if answer.rows else {} for answer in (new, old))
    title = say(new.metric.title)
    wanted = _FIELDS.get(new.metric.name, new.metric.fields)
    return [
        (f"{title} · {say(FIELDS.get(name, name))}", _shown(name, now_row, language),
         _shown(name, old_row, language))
        for name in wanted
    ]


def _shown(name: str, row: Mapping[str, Any], language: str) -> str:
    value = row.get(name)
    if name.endswith("_fen"):
        return money(value, language)
    if name == "rate" and row.get("low") is not None:
        low, high = percent(row["low"], language), percent(row["high"], language)
        return f"{percent(value, language)} ({low} – {high})"
    if name == "rate" or name.endswith("_rate"):
        return percent(value, language)
    if isinstance(value, int | float):
        return number(value, language)
    return NOTHING if value is None else str(value)


def _notes(answers: Sequence[Answer], say: Say) -> list[str]:
    told = {say(template, **values): None for answer in answers for template, values in answer.notes}
    return list(told)


def _filters(where: Mapping[str, Sequence[str]], say: Say) -> str:
    parts = [
        f"{say(FIELDS[name])}: {', '.join(say(WORDS.get(value, value or '—')) for value in values)}"
        for name, values in where.items()
    ]
    return " · ".join(parts)


def _period(report: Report) -> str:
    first, last = report.first_day.isoformat(), report.last_day.isoformat()
    return first if first == last else f"{first} – {last}"


def _files(report: Report, attach: Attach | None) -> tuple[Attachment, ...]:
    if attach is None or report.schedule.format == "none":
        return ()
    return tuple(attach(report))


def _link(settings: Settings, report: Report) -> str:
    base = settings.shop.dashboard_url.rstrip("/")
    if not base:
        return ""
    kept = [
        pair for pair in parse_qsl(report.query, keep_blank_values=True)
        if pair[0] not in ("from", "to")
    ]
    days = [("from", report.first_day.isoformat()), ("to", report.last_day.isoformat())]
    return f"{base}/{report.page}?{urlencode([*days, *kept])}"


def _text(
    heading: tuple[str, str, str], rows: Sequence[tuple[str, str, str]], told: Sequence[str]
) -> str:
    lines = [f"{name}: {value}   ({heading[2]}: {before})" for name, value, before in rows]
    return "\n".join([*lines, "", *told]) + "\n"


def _html(
    title: str, heading: tuple[str, str, str], rows: Sequence[tuple[str, str, str]],
    told: Sequence[str],
) -> str:
    right = ' style="text-align:right;padding:4px 12px"'
    head = "".join(f"<th{right}>{escape(item)}</th>" for item in heading)
    body = "".join(
        f'<tr><td style="padding:4px 12px">{escape(name)}</td><td{right}>{escape(value)}</td>'
        f"<td{right}>{escape(before)}</td></tr>"
        for name, value, before in rows
    )
    notes = "".join(f"<p>{_linked(item)}</p>" for item in told)
    return (
        f"<!doctype html><html><body><h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{notes}</body></html>"
    )


def _linked(text: str) -> str:
    safe = escape(text)
    return f'<a href="{safe}">{safe}</a>' if text.startswith(("https://", "http://")) else safe

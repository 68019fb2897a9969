"""What people keep in the ledger, as the screens use it: views, notes, alerts and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.identity.rights import LOCAL, Person, Right
from dashboard.metrics.alert_windows import Part
from dashboard.metrics.question import Question
from dashboard.operations import alert_rules, episodes, notes, owners, schedules, views
from dashboard.operations.alerts import Episode
from dashboard.operations.backtest import Backtest, backtest
from dashboard.operations.ledger import Ledger
from dashboard.operations.schedules import Cadence, Format, Schedule
from dashboard.operations.trail import demand
from dashboard.wording import Say
from dashboard.wording.formats import number, percent, seconds
from dashboard.wording.tables import word
from loaders.settings import Settings
from loaders.store.reader import Reader, Row


@dataclass(frozen=True, slots=True)
class Mark:
    """Something worth marking on a chart: its kind, its days in the period, and what to say of it.

    `begins`: it begins in the period, and not before.
    """

    kind: notes.Kind
    begins: bool
    first_day: date
    last_day: date
    text: str


class People:
    """The ledger of one home, for one reader."""

    def __init__(
        self, settings: Settings, reader: Reader, say: Say, language: str, person: Person = LOCAL,
        acting: Callable[[], Person] | None = None,
    ) -> None:
        self._settings, self._reader, self._say, self._language = settings, reader, say, language
        self._owner = person.name
        self.ledger = Ledger(settings)
        self._person, self._acting = person, acting or (lambda: person)

    def _demand(self, right: Right, subject: str) -> Person:
        """Who acts now. Raises Forbidden without the right; that it was tried is in the trail."""
        person = self._acting()
        demand(self.ledger, person, right, subject)
        return person

    @property
    def may_change_alerts(self) -> bool:
        """True if the shop's alerts may be changed by this reader."""
        return self._person.may(_keeps_alerts(self._person))

    @property
    def may_mail(self) -> bool:
        """True if this reader may have reports sent."""
        return self._person.may("export")

    def may_remove(self, item: views.View | notes.Note | Schedule) -> bool:
        """True if this is the reader's own; shared views and reports of others an administrator's."""
        is_own = (item.author if isinstance(item, notes.Note) else item.owner) == self._owner
        if isinstance(item, notes.Note):
            return is_own
        return (is_own and (self.may_mail or isinstance(item, views.View))) or (
            self._person.may("administer")
        )

    def views(self) -> list[views.View]:
        """The reader's saved views and those that others share."""
        return views.views(self.ledger, self._owner)

    def save_view(self, name: str, page: str, query: str, *, is_shared: bool) -> None:
        """Save what is looked at under a name. Raises Forbidden, RefusedInput."""
        owner = self._demand("see", "view").name
        views.save(self.ledger, name, page, query, owner=owner, is_shared=is_shared)

    def remove_view(self, view_id: int) -> None:
        """Delete a view of one's own; any shared one by an administrator. Raises RefusedInput."""
        person = self._demand("see", "view")
        views.remove(
            self.ledger, view_id, owner=person.name, or_shared=person.may("administer")
        )

    def add_note(self, day: date, text: str, where: Mapping[str, Sequence[str]]) -> None:
        """Write a note at a day; with one value chosen for a dimension it is about that.

        Raises Forbidden, RefusedInput.
        """
        author = self._demand("see", "note").name
        only = {name: chosen[0] for name, chosen in where.items() if len(chosen) == 1}
        notes.add_note(self.ledger, text, day=day, author=author, filters=only)

    def notes(self, question: Question) -> list[notes.Note]:
        """Notes of a period."""
        zone = self._settings.shop.timezone
        return notes.notes(self.ledger, question.first_day, question.last_day, zone)

    def remove_note(self, note_id: int) -> None:
        """Delete a note of one's own. Raises Forbidden, RefusedInput."""
        notes.remove_note(self.ledger, note_id, author=self._demand("see", "note").name)

    def marks(self, question: Question, kinds: Sequence[str]) -> list[Mark]:
        """What is to be marked on charts of a period: of the wanted kinds, about what is shown."""
        first, last = question.first_day, question.last_day
        return [
            Mark(
                item.kind, self._day(item.begin) >= first, max(first, self._day(item.begin)),
                min(last, self._day(item.end or item.begin)), self._say(item.title, **item.values),
            )
            for item in notes.timeline(self.ledger, self._reader, first, last)
            if item.kind in kinds and _is_about(item.filters, question.where)
        ]

    def _day(self, at: datetime) -> date:
        zone = ZoneInfo(self._settings.shop.timezone)
        return at.replace(tzinfo=UTC).astimezone(zone).date()

    def rules(self) -> list[alert_rules.StoredRule]:
        """The shop's alerts."""
        return alert_rules.rules(self.ledger)

    def save_rule(self, name: str, parameters: dict[str, Any], *, is_enabled: bool = True) -> None:
        """Save an alert from its parameters. Raises Forbidden, RefusedInput."""
        person = self._demand(_keeps_alerts(self._acting()), f"alert {name}")
        rule = alert_rules.read_rule(parameters)
        alert_rules.save_rule(
            self.ledger, name, rule, is_enabled=is_enabled, actor=person.name
        )

    def remove_rule(self, name: str) -> None:
        """Delete an alert. Raises Forbidden, RefusedInput."""
        person = self._demand(_keeps_alerts(self._acting()), f"alert {name}")
        alert_rules.remove_rule(self.ledger, name, actor=person.name)

    def backtest(self, parameters: dict[str, Any], days: int) -> tuple[Backtest, list[Row]]:
        """What an alert set so would have found. Raises RefusedInput."""
        found = backtest(self._reader, alert_rules.read_rule(parameters), days)
        return found, [
            self._shown(found.rule.kind, item.part, item.episode) for item in found.findings
        ]

    def episodes(self, limit: int = 200) -> list[Row]:
        """The latest episodes, newest first."""
        return [
            {"alert": item.alert, **self._shown(item.kind, item.part, item.episode)}
            for item in episodes.recorded(self.ledger)[:limit]
        ]

    def _shown(self, kind: str, part: Part, episode: Episode) -> Row:
        return {
            "where": self._named(part), "begun_at": episode.begun_at, "ended_at": episode.ended_at,
            "worst": _measured(kind, episode.worst, self._language),
            "baseline": _measured(kind, episode.baseline, self._language), "count": episode.n,
        }

    def _named(self, part: Part) -> str:
        return " × ".join(word(value, self._say) for _, value in part if value) or "—"

    def schedules(self) -> list[Schedule]:
        """Reports that come by mail."""
        return schedules.schedules(self.ledger)

    def save_schedule(
        self, name: str, cadence: Cadence, at: str, recipients: Sequence[str], *,
        on_day: int | None, view_id: int | None, format_: Format,
    ) -> None:
        """Save a report by mail; its files leave the house. Raises Forbidden, RefusedInput."""
        owner = self._demand("export", f"report {name}").name
        schedules.save_schedule(
            self.ledger, name, cadence, at, recipients, on_day=on_day, view_id=view_id,
            format_=format_, owner=owner,
        )

    def remove_schedule(self, schedule_id: int) -> None:
        """Delete a report of one's own; an administrator any. Raises Forbidden, RefusedInput."""
        is_any = self._acting().may("administer")
        person = self._demand("administer" if is_any else "export", f"report {schedule_id}")
        schedules.remove_schedule(
            self.ledger, schedule_id, owner=None if is_any else person.name, actor=person.name
        )

    def unsent(self, found: Sequence[Schedule]) -> set[int]:
        """The reports that are not sent: whose they are may not take files away any more."""
        return {item.id for item in found if not owners.may_send(self.ledger, item.owner)}

    @property
    def can_mail(self) -> bool:
        """True if a mail server is configured."""
        return bool(self._settings.mail.smtp_host)

    @property
    def can_post(self) -> bool:
        """True if a webhook is configured."""
        return bool(self._settings.alerts.webhook_url)


def _keeps_alerts(person: Person) -> Right:
    """The right that lets a person change the shop's alerts: an administrator's, or to load."""
    return "administer" if person.may("administer") else "load"


def _measured(kind: str, value: float, language: str) -> str:
    """A number of an alert as its kind is measured: a rate, orders, a span, or hours."""
    if kind == "success_rate":
        return percent(value, language)
    if kind == "traffic":
        return number(round(value), language)
    return seconds(value * 3600 if kind == "freshness" else value, language)


def _is_about(filters: Mapping[str, str], where: Mapping[str, Sequence[str]]) -> bool:
    """True unless a mark is about something that the filters leave out."""
    return all(not where.get(name) or value in where[name] for name, value in filters.items())

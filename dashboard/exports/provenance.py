"""What a file says of itself: what was asked, as of when, by which definition, and from where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol

from dashboard.metrics.catalogue import Answer, Metric
from dashboard.metrics.question import Question
from dashboard.wording import Say
from dashboard.wording.formats import iso
from dashboard.wording.labels import FIELDS
from dashboard.wording.tables import note


class Audience(Protocol):
    """For whom a file is made; `dashboard.services.Services` is one."""

    language: str
    say: Say

    @property
    def timezone(self) -> str:
        """The shop's timezone."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a number means, in the reader's language."""

    name: str
    title: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a file's content comes from. Instants are ISO 8601 with the shop's offset."""

    name: str
    title: str
    link: str
    made_at: str
    as_of: str | None = None
    period: tuple[date, date] | None = None
    by: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    definitions: tuple[Definition, ...] = ()
    notes: tuple[str, ...] = ()

    def filters(self, say: Say) -> list[tuple[str, str]]:
        """The period and the filters, each with its label."""
        found = []
        if self.period:
            first, last = self.period
            found.append((say("Period"), f"{first.isoformat()} – {last.isoformat()}"))
        if self.by:
            split = ", ".join(say(FIELDS.get(name, name)) for name in self.by)
            found.append((say("Split by"), split))
        for name, wanted in self.where.items():
            shown = ", ".join(value or "—" for value in wanted)
            found.append((say(FIELDS.get(name, name)), shown))
        return found

    def origin(self, say: Say, rows: int | None = None) -> list[tuple[str, str]]:
        """As of when, how much, made when, and the link back, each with its label."""
        found = [(say("As of"), self.as_of or say("unknown"))]
        if rows is not None:
            found.append((say("Rows"), str(rows)))
        found.append((say("Made at"), self.made_at))
        if self.link:
            found.append((say("Link"), self.link))
        return found + [(say("Note"), note) for note in self.notes]

    def document(self, rows: int | None = None) -> dict[str, Any]:
        """The same for programs, under the names that `mdash metric` uses."""
        first, last = self.period or (None, None)
        return {
            "title": self.title,
            "metrics": [
                {"metric": item.name, "version": item.version, "definition": item.text}
                for item in self.definitions
            ],
            "from": first.isoformat() if first else None,
            "to": last.isoformat() if last else None,
            "by": list(self.by),
            "where": {name: list(wanted) for name, wanted in self.where.items()},
            "as_of": self.as_of,
            "rows": rows,
            "made_at": self.made_at,
            "link": self.link,
            "notes": list(self.notes),
        }


def in_a_line(pairs: Sequence[tuple[str, str]], say: Say) -> str:
    """Labels with their values, one after another."""
    return " · ".join(say("{label}: {value}", label=label, value=value) for label, value in pairs)


def of_answers(
    audience: Audience, answers: Sequence[Answer], *, link: str = "", title: str | None = None,
    name: str | None = None, made_at: datetime | None = None,
) -> Provenance:
    """Provenance of what is drawn from one answer or several: the earliest as-of, every note once.

    `made_at` is naive UTC; now if it is not given.
    """
    first = answers[0]
    known = [answer.as_of for answer in answers if answer.as_of is not None]
    metrics = {answer.metric.name: answer.metric for answer in answers}
    notes = {
        note(template, values, audience.say): None
        for answer in answers
        for template, values in answer.notes
    }
    return of_rows(
        audience, name or first.metric.name, title or audience.say(first.metric.title),
        question=first.question, link=link, as_of=min(known, default=None),
        metrics=tuple(metrics.values()), notes=tuple(notes), made_at=made_at,
    )


def of_rows(
    audience: Audience, name: str, title: str, *, question: Question | None = None, link: str = "",
    as_of: datetime | None = None, metrics: Sequence[Metric] = (), notes: Sequence[str] = (),
    made_at: datetime | None = None,
) -> Provenance:
    """Provenance of plain rows. `name` begins the file's name; instants are naive UTC."""
    say, timezone = audience.say, audience.timezone
    return Provenance(
        name=name,
        title=title,
        link=link,
        made_at=str(iso(made_at or datetime.now(UTC).replace(tzinfo=None, microsecond=0), timezone)),
        as_of=iso(as_of, timezone),
        period=(question.first_day, question.last_day) if question else None,
        by=question.by if question else (),
        where={key: tuple(value) for key, value in question.where.items()} if question else {},
        definitions=tuple(
            Definition(item.name, say(item.title), item.version, say(item.definition))
            for item in metrics
        ),
        notes=tuple(notes),
    )

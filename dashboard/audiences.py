"""Audiences as people use them: counted, looked at, and exported as pseudonyms with a record of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from dashboard.exports.files import Download, file_name, formats, write_table
from dashboard.exports.provenance import Provenance, of_rows
from dashboard.exports.records import records_of_rows
from dashboard.metrics.audience import COLUMNS, Rules
from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.operations.targeting import record_audience
from dashboard.services import Services
from dashboard.wording.labels import FIELDS, WORDS
from loaders.store.reader import Row

PREVIEWED = 200


def counts(services: Services, question: Question, rules: Rules) -> Row:
    """How many an audience holds, and who is left out of it and why."""
    return Loyalty(services.answers).audience(question, rules)


def preview(services: Services, question: Question, rules: Rules) -> list[Row]:
    """The most valuable buyers of an audience."""
    return Loyalty(services.answers).members(question, rules, PREVIEWED)


def download(services: Services, question: Question, rules: Rules, link: str = "") -> Download:
    """The audience as a CSV of pseudonyms; making it is recorded."""
    told = _provenance(services, question, rules, link)
    csv = formats("table")[0]
    return Download(csv, file_name(told, csv.suffix),
                    lambda: export(services, question, rules, link)[0])


def export(
    services: Services, question: Question, rules: Rules, link: str = ""
) -> tuple[bytes, int]:
    """The audience's file and how many it holds, recorded before it is handed out. Raises Forbidden."""
    services.person.demand("export")
    ledger = services.people.ledger
    rows = Loyalty(services.answers).members(question, rules)
    sink = io.BytesIO()
    told = _provenance(services, question, rules, link)
    write_table("csv", records_of_rows(rows, COLUMNS), told, services, sink)
    content = sink.getvalue()
    digest = sha256(content).hexdigest()
    record_audience(ledger, services.person.name, rules.given(), len(rows), digest)
    return content, len(rows)


def _provenance(services: Services, question: Question, rules: Rules, link: str) -> Provenance:
    say = services.say
    notes = [f"{say(FIELDS[name])}: {_told(services, value)}" for name, value in rules.given().items()]
    notes.append(say("Only buyers who agreed to be written to, and none who was erased."))
    return of_rows(
        services, "audience", say("Audience"), question=question, link=link, notes=notes,
        as_of=min(services.reader.watermarks().values(), default=datetime.now(UTC)),
    )


def _told(services: Services, value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(services.say(WORDS[item]) if item in WORDS else item for item in value)
    return f"{value}"


def document(services: Services, question: Question, rules: Rules) -> Mapping[str, Any]:
    """An audience's counts as JSON has them."""
    return {
        "from": question.first_day.isoformat(), "to": question.last_day.isoformat(),
        "rules": services.json_ready(rules.given()), **counts(services, question, rules),
    }

"""Audiences as people use them: counted, looked at, and taken away as pseudonyms."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dashboard.exports.files import Download, file_name, formats, write_table
from dashboard.exports.provenance import Provenance, of_rows
from dashboard.exports.records import records_of_rows
from dashboard.metrics.audience import COLUMNS, Rules
from dashboard.metrics.loyalty import Loyalty
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.store.reader import Row

PREVIEWED = 200


def counts(services: Services, question: Question, rules: Rules) -> Row:
    """How many an audience holds, and who is left out of it and why. Raises Forbidden."""
    services.person.demand("see")
    return Loyalty(services.answers).audience(question, rules)


def preview(services: Services, question: Question, rules: Rules) -> list[Row]:
    """The most valuable buyers of an audience. Raises Forbidden."""
    services.person.demand("see")
    return Loyalty(services.answers).members(question, rules, PREVIEWED)


def download(services: Services, question: Question, rules: Rules, link: str = "") -> Download:
    """The audience of the moment it is taken as a CSV of pseudonyms; `Services.taken` hands it out."""
    csv, told = formats("table")[0], _provenance(services, question, rules, link)
    rows: list[int] = []

    def make() -> bytes:
        members = Loyalty(services.answers).members(question, rules)
        rows[:] = [len(members)]
        sink = io.BytesIO()
        write_table("csv", records_of_rows(members, COLUMNS), told, services, sink)
        return sink.getvalue()

    return Download(csv, file_name(told, csv.suffix), make, told, lambda: rows[0])


def save(services: Services, question: Question, rules: Rules, path: Path, link: str) -> int:
    """Write the audience's file; returns how many it holds. Raises Forbidden."""
    item = replace(download(services, question, rules, link), file_name=path.name)
    path.write_bytes(services.taken(item)())
    return item.count() or 0


def _provenance(services: Services, question: Question, rules: Rules, link: str) -> Provenance:
    marks = services.reader.watermarks().values()
    told = of_rows(
        services, "audience", services.say("Audience"), question=question, link=link,
        notes=[services.say("Only buyers who agreed to be written to, and none who was erased.")],
        as_of=min(marks, default=None),
    )
    given = {
        name: tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)
        for name, value in rules.given().items()
    }
    return replace(told, where={**told.where, **given})


def document(services: Services, question: Question, rules: Rules) -> Mapping[str, Any]:
    """An audience's counts as JSON has them. Raises Forbidden."""
    return {
        "from": question.first_day.isoformat(), "to": question.last_day.isoformat(),
        "rules": services.json_ready(rules.given()), **counts(services, question, rules),
    }

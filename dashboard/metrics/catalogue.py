"""Every metric by name, and the answer to a question asked of one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from dashboard.metrics.question import DIMENSIONS, Question
from loaders.errors import UnknownMetric
from loaders.store.reader import Reader, Row

Note = tuple[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what answering it needs. `as_of` is naive UTC."""

    reader: Reader
    question: Question
    as_of: datetime
    loaded: frozenset[str]
    notes: list[Note] = field(default_factory=list)

    @property
    def knows_payments(self) -> bool:
        """True if any source that tells of payments was ever loaded."""
        return bool(self.loaded & {"notification_log", "trade_bill"})

    def rows(self, sql: str, **parameters: object) -> list[Row]:
        """Rows of a query with the question's own parameters filled in where it names them."""
        values = self.question.parameters() | {"as_of": self.as_of} | parameters
        used = {name: value for name, value in values.items() if f"${name}" in sql}
        return self.reader.rows(sql, used)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `needs`: for each thing it must know, the sources that tell it, best first."""

    name: str
    title: str
    version: int
    definition: str
    needs: tuple[tuple[str, ...], ...]
    fields: tuple[str, ...]
    answer: Callable[[Asked], list[Row]]
    dimensions: tuple[str, ...] = DIMENSIONS
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a metric with all that makes them understood. `as_of` is naive UTC."""

    metric: Metric
    question: Question
    as_of: datetime | None
    rows: list[Row]
    notes: list[Note]


@cache
def metrics() -> Mapping[str, Metric]:
    """Every metric by name: each module of this package that defines METRIC."""
    package = importlib.import_module("dashboard.metrics")
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"dashboard.metrics.{info.name}")
        metric = getattr(module, "METRIC", None)
        if isinstance(metric, Metric):
            found[metric.name] = metric
    return dict(sorted(found.items()))


def metric_named(name: str) -> Metric:
    """The metric of this name. Raises UnknownMetric."""
    try:
        return metrics()[name]
    except KeyError:
        raise UnknownMetric(
            "There is no metric {name}; there are {names}.", name=name, names=", ".join(metrics())
        ) from None


_SHARED = {"cells": "cells", "risks": "buyer_risks", "cohorts": "buyer_cohorts"}
"""CTEs that several metrics begin with: the place in their SQL, and the file."""


@cache
def sql(name: str) -> str:
    """Text of a metric's SQL file."""
    return (files("dashboard.metrics") / f"{name}.sql").read_text("utf-8")


def filled(name: str, question: Question, **parts: str) -> str:
    """A metric's SQL with dimensions, filters and other parts put into their places."""
    text = sql(name)
    own = {place: sql(part).rstrip() for place, part in _SHARED.items() if f"{{{place}}}" in text} | {
        "dims": question.dims(),
        "names": question.names(),
        "filters": question.filters(),
        "whole": "false" if question.by else "true",
    }
    for place, part in (own | parts).items():
        text = text.replace("{" + place + "}", part)
    return text


def ask(reader: Reader, name: str, question: Question) -> Answer:
    """Answer a question; a source never loaded is named in the notes, never shown as zero."""
    metric = metric_named(name)
    for dimension in (*question.by, *question.where):
        if dimension not in metric.dimensions:
            raise UnknownMetric(
                "The metric {name} cannot be split by {dimension}.", name=name, dimension=dimension
            )
    marks = reader.watermarks()
    notes: list[Note] = []
    known: list[datetime] = []
    for alternatives in metric.needs:
        loaded = [source for source in alternatives if source in marks]
        if loaded:
            known.append(marks[loaded[0]])
        else:
            notes.append(
                ("{source} was never loaded: load it with `mdash load`.",
                 {"source": " / ".join(alternatives)})
            )
    if not known:
        return Answer(metric, question, None, [], notes)
    asked = Asked(reader, question, min(known), frozenset(marks), notes)
    rows = [_in_order(row, question.by, metric.fields) for row in metric.answer(asked)]
    rows.sort(key=lambda row: _sort_key(row, question.by))
    return Answer(metric, question, asked.as_of, rows, notes)


def _in_order(row: Row, by: Sequence[str], names: Sequence[str]) -> Row:
    return {name: row.get(name) for name in (*by, *names)}


def _sort_key(row: Row, by: Sequence[str]) -> tuple[tuple[bool, str], ...]:
    return tuple((row[name] is None, _plain(row[name])) for name in by)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)

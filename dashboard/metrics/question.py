"""What is asked of a metric: period, dimensions, filters; and the SQL these turn into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from loaders.errors import UnknownMetric

TIME_DIMENSIONS = ("day", "hour", "week", "month")
NAMED_DIMENSIONS = ("channel", "product", "client", "store", "campaign")
DIMENSIONS = TIME_DIMENSIONS + NAMED_DIMENSIONS
_TIME_SQL = {
    "day": "cast({hour} as date)",
    "hour": "{hour}",
    "week": "strftime({hour}, '%G-W%V')",
    "month": "strftime({hour}, '%Y-%m')",
}


@dataclass(frozen=True, slots=True)
class Question:
    """Inclusive business days, dimensions to split by, and wanted values of dimensions."""

    first_day: date
    last_day: date
    by: tuple[str, ...] = ()
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.last_day < self.first_day:
            raise UnknownMetric(
                "The period ends ({last}) before it begins ({first}).",
                first=self.first_day.isoformat(),
                last=self.last_day.isoformat(),
            )
        for name in self.by:
            _known(name, DIMENSIONS)
        for name in self.where:
            _known(name, NAMED_DIMENSIONS)

    def key(self) -> tuple[object, ...]:
        """What tells this question from others, hashable."""
        where = tuple((name, *sorted(wanted)) for name, wanted in sorted(self.where.items()))
        return self.first_day, self.last_day, self.by, where

    @property
    def days(self) -> int:
        """How many days the period has."""
        return (self.last_day - self.first_day).days + 1

    def split(self, *by: str) -> Question:
        """The same question split by these dimensions."""
        return Question(self.first_day, self.last_day, by, self.where)

    def unfiltered(self) -> Question:
        """The same period, of everything."""
        return Question(self.first_day, self.last_day, self.by)

    def shifted(self, days: int) -> Question:
        """The same question asked of a period that many days earlier."""
        span = timedelta(days=days)
        return Question(self.first_day - span, self.last_day - span, self.by, self.where)

    def last(self, days: int) -> Question:
        """The same question asked of the last days of the period."""
        return Question(self.last_day - timedelta(days=days - 1), self.last_day, self.by, self.where)

    def parameters(self) -> dict[str, Any]:
        """Values of the query's `$` places: the period as shop-local hours, and filters."""
        values: dict[str, Any] = {
            "first_hour": datetime.combine(self.first_day, time()),
            "last_hour": datetime.combine(self.last_day, time(23)),
        }
        for name, wanted in self.where.items():
            values[f"where_{name}"] = [item or "" for item in wanted]
        return values

    def dims(self, hour: str = "hour", table: str = "") -> str:
        """Select items of the dimensions, each with its comma; `hour` is a shop-local time."""
        items = []
        for name in self.by:
            source = _TIME_SQL[name].format(hour=hour) if name in _TIME_SQL else f"{table}{name}"
            items.append(f"{source} as {name}")
        return "".join(f"{item}, " for item in items)

    def names(self) -> str:
        """Names of the dimensions, each with its comma."""
        return "".join(f"{name}, " for name in self.by)

    def filters(self, table: str = "") -> str:
        """Conditions of the filters, each beginning with `and`."""
        return "".join(
            f" and coalesce({table}{name}, '') in (select unnest($where_{name}))"
            for name in self.where
        )


def _known(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise UnknownMetric(
            "There is no dimension {name}; there are {names}.", name=name, names=", ".join(names)
        )

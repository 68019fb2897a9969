"""What alerts judge: counts by quarter of an hour, latency by hour, loads, and what drove a drop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from dashboard.metrics.catalogue import sql
from dashboard.metrics.question import NAMED_DIMENSIONS
from loaders.errors import UnknownMetric
from loaders.store.reader import Reader, Row

NEVER = 32767
Part = tuple[tuple[str, str | None], ...]
"""A slice of the shop: dimensions with their values, in the order of the rule."""
STAGES = {
    "channel": ("channel_ms", "false"),
    "notification": (
        "notification_ms",
        "paid_at is not null and not is_received and paid_at <= $as_of::timestamp - interval 25 hour",
    ),
    "recognition": (
        "recognition_ms",
        "paid_at is not null and recognised_at is null and not is_received"
        " and paid_at <= $as_of::timestamp - interval 25 hour",
    ),
    "end_to_end": ("end_to_end_ms", "false"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Counts of a quarter of an hour; `begin` is naive UTC."""

    begin: datetime
    orders: int
    settled: int
    paid: int


@dataclass(frozen=True, slots=True)
class LatencyCell:
    """How many spans of an hour fall into each log-spaced bucket."""

    begin: datetime
    counts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Load:
    """When a source was loaded, and up to which instant it spoke then. Naive UTC."""

    at: datetime
    watermark: datetime


@dataclass(frozen=True, slots=True)
class Contributor:
    """Orders lost for a reason: how many, of how many, and how many beyond the usual."""

    product: str | None
    client: str | None
    reason: str
    lost: int
    n: int
    excess: float


def cells(
    reader: Reader, by: Sequence[str], begin: datetime, end: datetime, as_of: datetime
) -> dict[Part, list[Cell]]:
    """Counts by slice in time order; quarters without an order are left out. Naive UTC."""
    found: dict[Part, list[Cell]] = defaultdict(list)
    if reader.is_empty:
        return {}
    for row in reader.rows(_filled("alert_windows", by), _span(begin, end, as_of)):
        found[_part(row, by)].append(
            Cell(row["begin"], row["orders"], row["settled"], row["paid"])
        )
    return dict(found)


def latency_cells(
    reader: Reader, stage: str, by: Sequence[str], begin: datetime, end: datetime, as_of: datetime
) -> dict[Part, list[LatencyCell]]:
    """Latency of a stage by slice and hour, in time order. Naive UTC."""
    found: dict[Part, list[LatencyCell]] = defaultdict(list)
    if reader.is_empty:
        return {}
    span, missing = STAGES[stage]
    text = _filled("alert_latency", by).replace("{span}", span).replace("{missing}", missing)
    values = {name: item for name, item in _span(begin, end, as_of).items() if f"${name}" in text}
    for row in reader.rows(text, values):
        counts = dict(zip(row["buckets"], row["counts"], strict=True))
        found[_part(row, by)].append(LatencyCell(row["begin"], counts))
    return dict(found)


def bucket_seconds(bucket: int) -> float:
    """The middle of a bucket in seconds; infinite for what never came."""
    return float("inf") if bucket == NEVER else (1.02 ** (bucket + 0.5) - 1) / 1000


def loads(reader: Reader, source: str) -> list[Load]:
    """Every load of a source that still stands, in time order."""
    if reader.is_empty:
        return []
    rows = reader.rows(
        "select loaded_at, watermark from lake.loads where kind = $kind and status <> 'undone'"
        " and watermark is not null order by loaded_at",
        {"kind": source},
    )
    return [Load(row["loaded_at"], row["watermark"]) for row in rows]


def contributors(
    reader: Reader, part: Part, begin: datetime, end: datetime, as_of: datetime, limit: int = 3
) -> list[Contributor]:
    """What cost most payments in a span of a slice, compared with the four weeks before."""
    text = sql("alert_contributors")
    values: dict[str, object] = {**_span(begin, end, as_of), "limit": limit}
    conditions = ""
    for name, value in part:
        conditions += f" and {_known(name)} is not distinct from $part_{name}"
        values[f"part_{name}"] = value
    rows = reader.rows(text.replace("{filters}", conditions), values)
    return [Contributor(**row) for row in rows if row["excess"] > 0]


def _filled(name: str, by: Sequence[str]) -> str:
    names = "".join(f"{_known(item)}, " for item in by)
    return (
        sql(name).replace("{dims}", names).replace("{names}", names).replace("{filters}", "")
    )


def _known(name: str) -> str:
    if name not in NAMED_DIMENSIONS:
        raise UnknownMetric(
            "There is no dimension {name}; there are {names}.",
            name=name, names=", ".join(NAMED_DIMENSIONS),
        )
    return name


def _span(begin: datetime, end: datetime, as_of: datetime) -> dict[str, object]:
    return {"begin": begin, "end": end, "as_of": as_of}


def _part(row: Mapping[str, str | None], by: Sequence[str]) -> Part:
    return tuple((name, row[name]) for name in by)


def load_marks(reader: Reader, begin: datetime, end: datetime) -> list[Row]:
    """Loads made in a span (naive UTC) that still stand: load_id, file, kind, rows, loaded_at."""
    if reader.is_empty:
        return []
    return reader.rows(
        "select load_id, file, kind, rows, loaded_at from lake.loads where loaded_at >= $begin"
        " and loaded_at < $end and status in ('loaded', 'replaced') order by loaded_at",
        {"begin": begin, "end": end},
    )


def campaigns(reader: Reader, first_day: date, last_day: date) -> list[Row]:
    """Campaigns with orders in a period: campaign, and the first and last day they were ever seen."""
    if reader.is_empty:
        return []
    return reader.rows(
        "select campaign, cast(min(hour) as date) as first_day, cast(max(hour) as date) as last_day"
        " from (select campaign, hour from lake.hourly_orders where campaign is not null"
        " group by all having sum(orders) > 0) group by all"
        " having first_day <= $last and last_day >= $first order by first_day, campaign",
        {"first": first_day, "last": last_day},
    )

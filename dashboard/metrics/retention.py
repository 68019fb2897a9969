"""Retention: of the buyers who first bought in a week or month, how many bought again, and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.metrics.buyers import (
    NEEDS,
    buyer_sql,
    first_filters,
    knows_buyers,
    note_nameless,
    note_refunds,
    note_unproven,
    span,
)
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.held import buyer_rows
from dashboard.metrics.intervals import ratio, wilson
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from loaders.errors import UnknownMetric
from loaders.store.reader import Row

DAYS_N = (1, 7, 14, 30, 60, 90)
HORIZONS = {"month": 6, "week": 12}
"""So many periods after its own every cohort is followed where later ones count too."""
_PERIOD_SQL = "date_diff('{grain}', $cohort::date, date_trunc('{grain}', shop_time(paid_at))::date)"
_DAY_SQL = "date_diff('second', first_at, paid_at) // 86400"
MODES = ("retention", "retention_rolling", "retention_days", "retention_days_rolling")
_COHORT_SQL = {
    "month": "(year(first_day) - 1) * 12 + month(first_day) - 1",
    "week": "(first_day - date '1970-01-05') // 7",
}
_EPOCHS = {"month": date(1, 1, 1), "week": date(1970, 1, 5)}
Key = tuple[Any, ...]


def grain_of(question: Question) -> str:
    """`week` or `month`, month where the question names neither."""
    grains = [name for name in question.by if name in ("week", "month")]
    if len(grains) > 1:
        raise UnknownMetric("Cohorts are weeks or months, not both.")
    return grains[0] if grains else "month"


def shifted(cohort: date, grain: str, periods: int) -> date:
    """First day of the period that many after the cohort's own."""
    if grain == "week":
        return cohort + timedelta(weeks=periods)
    month = cohort.year * 12 + cohort.month - 1 + periods
    return date(month // 12, month % 12 + 1, 1)


def label(cohort: date, grain: str) -> str:
    """A cohort's name: 2026-11 or 2026-W47."""
    return f"{cohort:%G-W%V}" if grain == "week" else f"{cohort:%Y-%m}"


def local_time(asked: Asked) -> datetime:
    """The as-of in the shop's time, naive."""
    zone = ZoneInfo(asked.reader.settings.shop.timezone)
    return asked.as_of.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def has_ended(cohort: date, grain: str, period: int, now: datetime) -> bool:
    """True if the cohort's period is over at `now` (shop time)."""
    return datetime.combine(shifted(cohort, grain, period + 1), datetime.min.time()) <= now


def triangle(asked: Asked) -> list[Row]:
    """Cohort × period, bounded (D16): every period that has begun; null until it has ended."""
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return []
    question, grain = asked.question, grain_of(asked.question)
    names = [name for name in question.by if name in NAMED_DIMENSIONS]
    found = buyer_rows(
        asked,
        buyer_sql("retention", question, grain=grain, cohort=_COHORT_SQL[grain],
                  names="".join(f"{name}, " for name in names)),
        new_from=known.new_from,
    )
    note_unproven(asked, known, sum(
        row["returned"] for row in found if row["is_unproven"] and row["period"] == 0
    ))
    note_nameless(asked)
    note_refunds(asked, known, grain)
    cells: dict[Key, dict[int, Row]] = defaultdict(dict)
    for row in found:
        if not row["is_unproven"]:
            cohort = shifted(_EPOCHS[grain], grain, row["cohort"])
            cells[cohort, *(row[name] for name in names)][row["period"]] = row
    now = local_time(asked)
    return [
        dict(zip(names, key[1:], strict=True)) | row
        for key in sorted(cells, key=str)
        for row in _cohort_rows(key[0], grain, cells[key], now)
    ]


def _cohort_rows(cohort: date, grain: str, cells: dict[int, Row], now: datetime) -> list[Row]:
    rows, period, buyers = [], 0, cells[0]["returned"]
    name = label(cohort, grain)
    while datetime.combine(shifted(cohort, grain, period), datetime.min.time()) < now:
        row: Row = {"cohort": name, grain: name, "period": period, "buyers": buyers}
        cell = cells.get(period, {"returned": 0, "net_fen": 0})
        rows.append(row | _cell(cell, buyers, has_ended(cohort, grain, period, now)))
        period += 1
    return rows


def _cell(cell: Row, buyers: int, is_over: bool) -> Row:
    if not is_over:
        return dict.fromkeys(("returned", "rate", "low", "high", "net_fen"))
    low, high = wilson(cell["returned"], buyers)
    return {
        "returned": cell["returned"], "rate": ratio(cell["returned"], buyers),
        "low": low, "high": high, "net_fen": cell["net_fen"],
    }


def mean_row(rows: Iterable[Row]) -> list[Row]:
    """For each period from the first after purchase: the cohorts' weighted mean (D16)."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        if row["period"] > 0 and row["returned"] is not None:
            sums[row["period"]][0] += row["returned"]
            sums[row["period"]][1] += row["buyers"]
            sums[row["period"]][2] += row.get("net_fen") or 0
    found = []
    for period, (returned, buyers, net_fen) in sorted(sums.items()):
        low, high = wilson(returned, buyers)
        found.append({
            "period": period, "buyers": buyers, "returned": returned,
            "rate": ratio(returned, buyers), "low": low, "high": high, "net_fen": net_fen,
        })
    return found


def rolling(asked: Asked, horizon: int) -> list[Row]:
    """Buyers who bought in period k or a later one up to `horizon` ("on or after").

    Only cohorts whose period `horizon` has ended: all are followed equally long (D16).
    """
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return []
    question, grain = asked.question, grain_of(asked.question)
    found = asked.rows(
        buyer_sql("retention_rolling", question, grain=grain, horizon=str(int(horizon)),
                  first_filters=first_filters(question)),
        new_from=known.new_from,
    )
    note_unproven(asked, known, sum(row["buyers"] for row in found if row["is_unproven"]))
    note_refunds(asked, known, grain)
    lasts: dict[date, dict[int, Row]] = defaultdict(dict)
    for row in found:
        if row["is_unproven"]:
            continue
        lasts[row["cohort"]][row["period"]] = row
    now, rows = local_time(asked), []
    for cohort, parts in sorted(lasts.items()):
        if not has_ended(cohort, grain, horizon, now):
            continue
        for period in range(horizon + 1):
            later = [part for last, part in parts.items() if last >= period]
            buyers = sum(part["buyers"] for part in parts.values())
            rows.append(_whole_cell(cohort, grain, period, buyers, _both(later)))
    return rows


def on_days(
    asked: Asked, days: Sequence[int] = DAYS_N, *, or_later: bool = False
) -> list[Row]:
    """Day-N retention in rolling windows of 24 hours from the first payment (D17).

    A window lasts a day, or until the last of these days is over. A cell exists only once the window
    of every buyer of the cohort has ended.
    """
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return []
    question, grain = asked.question, grain_of(asked.question)
    found = asked.rows(
        buyer_sql("retention_days", question, grain=grain, days=str([int(day) for day in days]),
                  last_days=str([int(days[-1] if or_later else day) for day in days]),
                  first_filters=first_filters(question)),
        new_from=known.new_from,
    )
    note_unproven(asked, known, sum(
        row["buyers"] for row in found if row["is_unproven"] and row["period"] == days[0]
    ))
    note_refunds(asked, known, grain)
    now, rows = local_time(asked), []
    found = [row for row in found if not row["is_unproven"]]
    for row in sorted(found, key=lambda row: (row["cohort"], row["period"])):
        is_over = has_ended(row["cohort"], grain, 0, now) and row["ended"] == row["buyers"]
        back = _both([row], "returned") if is_over else None
        rows.append(_whole_cell(row["cohort"], grain, row["period"], row["buyers"], back))
    return rows


def _hit(mode: str, grain: str) -> str:
    """A condition on a purchase of a buyer who counts in the cell of $period."""
    place = _DAY_SQL if mode.startswith("retention_days") else _PERIOD_SQL.format(grain=grain)
    last = DAYS_N[-1] if mode.startswith("retention_days") else HORIZONS[grain]
    return f"{place} between $period and " + (str(last) if mode.endswith("rolling") else "$period")


def buyers_of(
    asked: Asked, cohort: str, period: int, mode: str = MODES[0], limit: int = 200
) -> list[Row]:
    """Buyers (pseudonyms) of a cell of a triangle (one of MODES), the most valuable first."""
    known = span(asked) if knows_buyers(asked) else None
    if known is None:
        return []
    question, grain = asked.question, grain_of(asked.question)
    shape, text = ("%G-W%V-%u", f"{cohort}-1") if grain == "week" else ("%Y-%m-%d", f"{cohort}-01")
    return asked.rows(
        buyer_sql("retention_list", question, grain=grain, hit=_hit(mode, grain),
                  first_filters=first_filters(question)),
        new_from=known.new_from, cohort=datetime.strptime(text, shape).date(), period=period,
        limit=limit,
    )


def _both(parts: Sequence[Row], name: str = "buyers") -> Row:
    return {"returned": sum(part[name] for part in parts),
            "net_fen": sum(part["net_fen"] for part in parts)}


def _whole_cell(cohort: date, grain: str, period: int, buyers: int, cell: Row | None) -> Row:
    """A cell of these buyers back and their net amount; without them it has not ended."""
    name = label(cohort, grain)
    row: Row = {"cohort": name, grain: name, "period": period, "buyers": buyers}
    return row | _cell(cell or {}, buyers, cell is not None)


METRIC = Metric(
    name="retention",
    title="Retention",
    version=1,
    definition=(
        "Buyers by the week or month of their first purchase (paid and not fully refunded), and the"
        " share of them who bought in the week or month that many after it. Null until that period"
        " has ended. Buyers first seen while the data was young are not provably new and left out."
        " Filters and splits look at the first purchase. Retention is not a funnel."
    ),
    needs=NEEDS,
    fields=("cohort", "period", "buyers", "returned", "rate", "low", "high", "net_fen"),
    answer=triangle,
    dimensions=("week", "month", *NAMED_DIMENSIONS),
)

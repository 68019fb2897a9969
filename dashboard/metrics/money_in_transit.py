"""Money in transit: what bills say is due and the account does not show yet, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.compared import items
from loaders.store.reader import Row
from loaders.terms import settlement_days

_CHINA = timedelta(hours=8)


def _answer(asked: Asked) -> list[Row]:
    if not {"trade_bill", "account_bill"} <= asked.loaded:
        return []
    question = asked.question
    found = items(asked.reader, question)
    rows = asked.rows(filled("money_in_transit", question, items=found))
    today = (asked.as_of + _CHINA).date()
    for row in rows:
        row["in_transit_fen"] = row["due_fen"] - row["arrived_fen"]
        days = settlement_days(asked.reader.settings, row["channel"])
        row["expected_on"] = row["day"] + timedelta(days=days)
        late = (today - row["expected_on"]).days if row["in_transit_fen"] else 0
        row["overdue_days"] = max(0, late)
    return _summed(rows, question.by)


def _summed(rows: Sequence[Row], by: Sequence[str]) -> list[Row]:
    """Sums by the wanted dimensions; the longest delay, and the last expected day."""
    groups: dict[tuple[object, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in by)
        held = groups.setdefault(
            key, {name: row[name] for name in by} | dict.fromkeys(_SUMS, 0) | {
                "expected_on": date.min, "overdue_days": 0
            }
        )
        for name in _SUMS:
            held[name] += row[name]
        for name in ("expected_on", "overdue_days"):
            held[name] = max(held[name], row[name])
    return list(groups.values())


_SUMS = ("due_fen", "arrived_fen", "in_transit_fen")

METRIC = Metric(
    name="money_in_transit",
    title="Money in transit",
    version=1,
    definition=(
        "Due: a trade bill's payments − refunds − fees − splits. Arrived: what of it the account bill"
        " shows, on the same day or a day apart. Expected by the bill's day + the channel's"
        " settlement_days in mdash.toml (T+1 unless set). Overdue: days since then, where something is"
        " still missing."
    ),
    needs=(("trade_bill",), ("account_bill",)),
    fields=("due_fen", "arrived_fen", "in_transit_fen", "expected_on", "overdue_days"),
    answer=_answer,
    dimensions=("day", "channel"),
)

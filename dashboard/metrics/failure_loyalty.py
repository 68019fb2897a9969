"""What failure costs later: buyers whose first attempt failed against those whose first succeeded."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dashboard.metrics.buyers import (
    NEEDS,
    buyer_sql,
    first_filters,
    knows_buyers,
    note_nameless,
    refuse_split,
    span,
)
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.intervals import Z95, newcombe, ratio, wilson
from dashboard.metrics.question import NAMED_DIMENSIONS
from loaders.store.reader import Row

_SUMS = ("buyers_30", "returned_30", "buyers", "returned", "net_fen", "squares")


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "failure_loyalty")
    known = span(asked) if knows_buyers(asked) else None
    if known is None or "checkout_log" not in asked.loaded:
        return []
    question = asked.question
    found = asked.rows(
        buyer_sql("failure_loyalty", question, first_filters=first_filters(question)),
        new_from=known.new_from,
    )
    good = _together([row for row in found if row["first_attempt"] == "succeeded"])
    bad = [row for row in found if row["first_attempt"] == "failed"]
    note_nameless(asked)
    rows = [_row("succeeded", None, good, None), _row("failed", None, _together(bad), good)]
    bad.sort(key=lambda row: (-row["buyers"], row["reason"] or ""))
    return rows + [_row("failed", row["reason"], row, good) for row in bad]


def _together(rows: Sequence[Row]) -> Row:
    return {name: sum(row[name] for row in rows) for name in _SUMS}


def _row(outcome: str, reason: str | None, sums: Row, against: Row | None) -> Row:
    buyers, returned = sums["buyers"], sums["returned"]
    low, high = wilson(returned, buyers)
    row: Row = {
        "first_attempt": outcome, "reason": reason, "buyers": buyers, "returned": returned,
        "day30_rate": ratio(sums["returned_30"], sums["buyers_30"]),
        "rate": ratio(returned, buyers), "low": low, "high": high, **_spend(sums),
    }
    return row | (_against(sums, against) if against else {})


def _spend(sums: Row) -> Row:
    """Mean net amount of 90 days with its 95 % interval, to the whole fen."""
    buyers = sums["buyers"]
    if not buyers:
        return {}
    mean = sums["net_fen"] / buyers
    if buyers < 2:
        return {"spend_fen": round(mean)}
    variance = (sums["squares"] - sums["net_fen"] ** 2 / buyers) / (buyers - 1)
    spread = Z95 * math.sqrt(max(variance, 0) / buyers)
    return {
        "spend_fen": round(mean), "spend_low_fen": round(mean - spread),
        "spend_high_fen": round(mean + spread),
    }


def _against(sums: Row, against: Row) -> Row:
    """How the group differs from the buyers whose first attempt succeeded."""
    if not sums["buyers"] or not against["buyers"]:
        return {}
    low, high = newcombe(
        sums["returned"], sums["buyers"], against["returned"], against["buyers"]
    )
    missing = against["net_fen"] * sums["buyers"] - sums["net_fen"] * against["buyers"]
    return {
        "difference_rate": sums["returned"] / sums["buyers"] - against["returned"] / against["buyers"],
        "difference_low_rate": low, "difference_high_rate": high,
        "gap_fen": round(missing / against["buyers"]),
    }


METRIC = Metric(
    name="failure_loyalty",
    title="What a failed first attempt costs later",
    version=1,
    definition=(
        "New buyers by the outcome of the first attempt of their first order, and its reason: the"
        " share who bought with a later order within 30 and within 90 days, and their mean net amount"
        " in 90 days. Only buyers whose days have passed. The gap is what they would have spent more"
        " at the mean of those whose first attempt succeeded. An association, not proof of a cause."
    ),
    needs=(*NEEDS, ("checkout_log",)),
    fields=(
        "first_attempt", "reason", "buyers", "returned", "day30_rate", "rate", "low", "high",
        "difference_rate", "difference_low_rate", "difference_high_rate", "spend_fen",
        "spend_low_fen", "spend_high_fen", "gap_fen",
    ),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

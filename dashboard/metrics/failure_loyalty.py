"""What failure costs later: buyers whose first attempt failed against those whose first succeeded."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from dashboard.metrics.buyers import (
    NEEDS,
    buyer_sql,
    knows_buyers,
    note_nameless,
    refuse_split,
    span,
)
from dashboard.metrics.catalogue import Asked, Metric
from dashboard.metrics.held import buyer_rows
from dashboard.metrics.intervals import Z95, newcombe, ratio, wilson
from dashboard.metrics.question import NAMED_DIMENSIONS
from loaders.store.reader import Row

LEAST_BUYERS = 200
"""A product and client with fewer new buyers is compared with nothing."""
RANKED_BUYERS = 30
"""A reason of fewer buyers is not ranked (D22)."""
Slice = tuple[str | None, str | None]
_SUMS = ("buyers_30", "returned_30", "buyers", "returned", "net_fen", "squares")


def _answer(asked: Asked) -> list[Row]:
    refuse_split(asked, "failure_loyalty")
    known = span(asked) if knows_buyers(asked) else None
    if known is None or "checkout_log" not in asked.loaded:
        return []
    question = asked.question
    found = buyer_rows(
        asked,
        buyer_sql("failure_loyalty", question, first_filters=question.filters("begun_order.")),
        new_from=known.new_from,
    )
    good = _together([row for row in found if row["first_attempt"] == "succeeded"])
    bad = [row for row in found if row["first_attempt"] == "failed"]
    note_nameless(asked)
    rows = [_row("succeeded", None, good, None), _row("failed", None, _together(bad), good)]
    sizes = _sizes(found)
    reasons: dict[str | None, list[Row]] = defaultdict(list)
    for row in bad:
        reasons[row["reason"]].append(row)
    told = []
    for reason, parts in reasons.items():
        row = _row("failed", reason, _together(parts), good)
        told.append(row | _at_best(parts, sizes, row))
    return rows + sorted(told, key=_rank)


def is_ranked(row: Row) -> bool:
    """True for a row of enough buyers to compare it with others (D22)."""
    return bool(row["buyers"] >= RANKED_BUYERS)


def _rank(row: Row) -> tuple[bool, float, str]:
    """Reasons that surely cost most come first, by the bound; those of few buyers last, by name."""
    bound = row.get("difference_high_rate") if is_ranked(row) else None
    return not is_ranked(row), bound or 0.0, row["reason"] or ""


def _sizes(found: Sequence[Row]) -> dict[Slice, int]:
    """Buyers of each product and client, where enough to compare."""
    sizes: dict[Slice, int] = defaultdict(int)
    for row in found:
        sizes[row["product"], row["client"]] += row["buyers"]
    return {key: size for key, size in sizes.items() if size >= LEAST_BUYERS}


def _at_best(parts: Sequence[Row], sizes: dict[Slice, int], row: Row) -> Row:
    """What it would be worth if the reason were as rare everywhere as in its best slice."""
    if len(sizes) < 2 or row.get("gap_fen") is None or not row["buyers"]:
        return {}
    hit: dict[Slice, int] = defaultdict(int)
    for part in parts:
        hit[part["product"], part["client"]] += part["buyers"]
    best = min(sizes, key=lambda key: (hit[key] / sizes[key], -sizes[key]))
    spared = sum(max(0, hit[key] - -(-hit[best] * size // sizes[best])) for key, size in sizes.items())
    return {"best_slice": best, "spared": spared,
            "spared_fen": round(row["gap_fen"] * spared / row["buyers"])}


def _together(rows: Sequence[Row]) -> Row:
    return {name: sum(row[name] for row in rows) for name in _SUMS}


def _row(outcome: str, reason: str | None, sums: Row, against: Row | None) -> Row:
    buyers, returned = sums["buyers"], sums["returned"]
    low, high = wilson(returned, buyers)
    low_30, high_30 = wilson(sums["returned_30"], sums["buyers_30"])
    row: Row = {
        "first_attempt": outcome, "reason": reason, "buyers": buyers, "returned": returned,
        "day30_buyers": sums["buyers_30"], "day30_returned": sums["returned_30"],
        "day30_rate": ratio(sums["returned_30"], sums["buyers_30"]),
        "day30_low_rate": low_30, "day30_high_rate": high_30,
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
    version=4,
    definition=(
        "New buyers by the outcome of the first attempt of their first order, and its reason: the"
        " share who bought with a later order within 30 and within 90 days, and their mean net amount"
        " in 90 days. Only buyers whose days have passed. The gap is what they would have spent more"
        " at the mean of those whose first attempt succeeded. Spared: buyers this reason would not "
        "have hit, were it as rare with every product and client as with the best that has 200 new "
        "buyers, and the gap of these. Reasons by the upper bound of the difference, those of fewer than"
        " 30 buyers last and unranked. An association, not proof of a cause."
    ),
    needs=(*NEEDS, ("checkout_log",)),
    fields=(
        "first_attempt", "reason", "day30_buyers", "day30_returned", "day30_rate", "day30_low_rate",
        "day30_high_rate", "buyers", "returned", "rate", "low", "high",
        "difference_rate", "difference_low_rate", "difference_high_rate", "spend_fen", "spend_low_fen",
        "spend_high_fen", "gap_fen", "best_slice", "spared", "spared_fen",
    ),
    answer=_answer,
    dimensions=NAMED_DIMENSIONS,
)

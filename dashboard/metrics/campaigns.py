"""Campaigns: what they did for conversion, order value and new buyers, and what they gave away."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from dashboard.metrics.buyers import buyer_sql, knows_buyers, span
from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.intervals import Z95, newcombe, ratio, wilson
from dashboard.metrics.question import Question
from loaders.store.reader import Row

HOLDOUT, SAME_DAYS = "holdout", "same_days"
Group = tuple[Any, ...]
Sums = Counter[str]
Days = dict[date, Sums]


def _counted(asked: Asked) -> dict[Group, Days]:
    """Sums by dimensions, campaign and whether held out; then by day."""
    every = _whole(asked.question)
    found: dict[Group, Days] = defaultdict(lambda: defaultdict(Counter))
    dims = every.dims("shop_time(created_at)")
    rows = asked.rows(filled("campaigns", every, dims=dims))
    known = span(asked) if knows_buyers(asked) else None
    if known is not None:
        dims = every.dims("shop_time(bought.created_at)", "bought.")
        filters = every.filters("bought.")
        rows += asked.rows(
            buyer_sql("campaign_buyers", every, dims=dims, filters=filters), new_from=known.new_from
        )
    for row in rows:
        key = (*(row.pop(name) for name in every.by), row.pop("campaign"), row.pop("is_holdout"))
        found[key][row.pop("day")].update(row)
    return found


def _whole(question: Question) -> Question:
    """The question of all campaigns, and of orders of none."""
    by = tuple(name for name in question.by if name != "campaign")
    others = {name: wanted for name, wanted in question.where.items() if name != "campaign"}
    return Question(question.first_day, question.last_day, by, others)


def _answer(asked: Asked) -> list[Row]:
    if "checkout_log" not in asked.loaded or not asked.knows_payments:
        return []
    found = _counted(asked)
    wanted = set(asked.question.where.get("campaign", ()))
    rows, unbilled = [], 0
    keys = {key[:-1] for key in found if key[-2] is not None}
    for key in sorted(keys, key=str):
        if wanted and key[-1] not in wanted:
            continue
        days = found.get((*key, False), {})
        basis, against = _comparison(found, key, days)
        mine = _sum(days.values())
        unbilled += mine["paid"] - mine["known_off"]
        named = dict(zip((*_whole(asked.question).by, "campaign"), key, strict=True))
        rows.append(named | _own(mine) | _effects(mine, against) | {"compared_with": basis})
    _notes(asked, rows, unbilled)
    return sorted(rows, key=lambda row: (-row["orders"], row["campaign"]))


def _comparison(found: Mapping[Group, Days], key: Group, days: Days) -> tuple[str, Sums]:
    """The hold-out group where the log names one, else orders of no campaign on the same days."""
    held = found.get((*key, True))
    if held:
        return HOLDOUT, _sum(held.values())
    nobody = found.get((*key[:-1], None, False), {})
    return SAME_DAYS, _sum(sums for day, sums in nobody.items() if day in days)


def _sum(parts: Iterable[Sums]) -> Sums:
    total: Sums = Counter()
    for part in parts:
        total.update(part)
    return total


def _own(mine: Sums) -> Row:
    low, high = wilson(mine["paid"], mine["matured"])
    return {
        "orders": mine["orders"], "matured": mine["matured"], "paid": mine["paid"],
        "rate": ratio(mine["paid"], mine["matured"]), "low": low, "high": high,
        "paid_fen": mine["paid_fen"], "discount_fen": mine["off_fen"] if mine["known_off"] else None,
        "average_order_fen": mine["paid_fen"] // mine["paid"] if mine["paid"] else None,
        "new_buyers": mine["new_buyers"], "new_rate": ratio(mine["new_buyers"], mine["purchases"]),
    }


def _effects(mine: Sums, against: Sums) -> Row:
    """How a campaign's orders differ from those it is compared with, each with its 95 % interval."""
    row: Row = {
        "compared_orders": against["matured"],
        "compared_rate": ratio(against["paid"], against["matured"]),
    }
    for name, part, whole in (("uplift", "paid", "matured"),
                              ("new_uplift", "new_buyers", "purchases")):
        if mine[whole] and against[whole]:
            low, high = newcombe(mine[part], mine[whole], against[part], against[whole])
            row[name] = mine[part] / mine[whole] - against[part] / against[whole]
            row[f"{name}_low"], row[f"{name}_high"] = low, high
    for name, fen, squares, count in (
        ("value_uplift", "paid_fen", "paid_squares", "paid"),
        ("discount_order", "off_fen", "off_squares", "known_off"),
    ):
        row |= _means(name, [(side[count], side[fen], side[squares]) for side in (mine, against)])
    return row


def _means(name: str, sides: list[tuple[int, int, int]]) -> Row:
    """The difference of two means in fen, with the normal interval of unequal variances."""
    if any(count < 2 for count, _, _ in sides):
        return {}
    (mean1, error1), (mean0, error0) = (
        (total / count, (squares - total * total / count) / (count - 1) / count)
        for count, total, squares in sides
    )
    spread = Z95 * math.sqrt(max(error1 + error0, 0))
    return {
        f"{name}_fen": round(mean1 - mean0), f"{name}_low_fen": round(mean1 - mean0 - spread),
        f"{name}_high_fen": round(mean1 - mean0 + spread),
    }


def _notes(asked: Asked, rows: list[Row], unbilled: int) -> None:
    if any(row["compared_with"] == SAME_DAYS for row in rows):
        asked.notes.append((
            "No hold-out group is named for some campaigns: they are compared with orders of no"
            " campaign on the same days, which is an association and no proof.", {},
        ))
    if unbilled:
        asked.notes.append((
            "{count} paid orders stand on no bill yet: what was given off them is not known.",
            {"count": unbilled},
        ))


METRIC = Metric(
    name="campaigns",
    title="Campaigns",
    version=1,
    definition=(
        "Orders created in the period by campaign, the share of the matured ones paid by their expiry,"
        " and how it differs from the campaign's hold-out group, or where the log names none, from the"
        " orders of no campaign on the same days (Newcombe 95 %). Value: mean amount of paid orders."
        " New buyers: buyers provably new whose first purchase was an order of the campaign."
        " Discount: what the shop gave off paid orders, by the checkout log and the bills."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=(
        "campaign", "orders", "matured", "paid", "rate", "low", "high", "paid_fen", "discount_fen",
        "new_buyers", "uplift", "uplift_low", "uplift_high", "compared_with", "compared_orders",
        "compared_rate", "average_order_fen", "value_uplift_fen", "value_uplift_low_fen",
        "value_uplift_high_fen", "new_rate", "new_uplift", "new_uplift_low", "new_uplift_high",
        "discount_order_fen", "discount_order_low_fen", "discount_order_high_fen",
    ),
    answer=_answer,
)

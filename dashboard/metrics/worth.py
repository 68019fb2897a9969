"""What a fix of each failure reason is worth."""

from __future__ import annotations

from typing import Any

from dashboard.metrics.catalogue import Answer

LEAST_ORDERS = 200
MONTH_DAYS = 30
Slice = tuple[str | None, str | None]


def worth(failures: Answer, conversion: Answer, days: int) -> list[dict[str, Any]]:
    """For each reason: orders and fen lost, fen in a month, and fen gained at the best slice's rate.

    Both answers are split by product and client. `best_fen` is null where fewer than two slices
    have enough orders to compare.
    """
    sizes: dict[Slice, int] = {
        (row["product"], row["client"]): row["matured"] for row in conversion.rows
    }
    lost: dict[str, dict[Slice, tuple[int, int]]] = {}
    for row in failures.rows:
        slices = lost.setdefault(row["reason"], {})
        key = (row["product"], row["client"])
        orders, fen = slices.get(key, (0, 0))
        slices[key] = (orders + (row["orders"] or 0), fen + (row["lost_fen"] or 0))
    rows = [_row(reason, slices, sizes, days) for reason, slices in lost.items()]
    return sorted((row for row in rows if row["lost_fen"]), key=lambda row: -row["lost_fen"])


def _row(
    reason: str, slices: dict[Slice, tuple[int, int]], sizes: dict[Slice, int], days: int
) -> dict[str, Any]:
    fen = sum(part for _, part in slices.values())
    large = [key for key, size in sizes.items() if size >= LEAST_ORDERS]
    row: dict[str, Any] = {
        "reason": reason, "orders": sum(part for part, _ in slices.values()), "lost_fen": fen,
        "monthly_fen": fen * MONTH_DAYS // days, "best_fen": None, "best_slice": None,
    }
    if len(large) < 2:
        return row
    best = min(large, key=lambda key: slices.get(key, (0, 0))[0] / sizes[key])
    orders_at_best = slices.get(best, (0, 0))[0]
    gained = 0
    for key in large:
        orders, lost_fen = slices.get(key, (0, 0))
        allowed = orders_at_best * sizes[key] // sizes[best]
        if orders > allowed:
            gained += lost_fen * (orders - allowed) // orders
    return row | {"best_fen": gained, "best_slice": best}

"""Notifications: of the paid orders, how many messages came, late, twice, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.intervals import ratio
from dashboard.metrics.question import NAMED_DIMENSIONS, Question
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    if "notification_log" not in asked.loaded:
        return []
    question = asked.question
    named = {*question.by, *question.where} & (set(NAMED_DIMENSIONS) - {"channel"})
    rows = asked.rows(
        filled(
            "notifications",
            question,
            trade_dims=question.dims(hour="shop_hour(created_at)"),
            delivery_dims=_delivery_dims(question),
            delivery_filters=" and false" if named else question.filters(),
        )
    )
    rungs = _rungs(asked)
    for row in rows:
        row["rung"] = rungs.get(tuple(row[name] for name in question.by), {})
        is_timed = bool(row["rung"]) or not row["received"]
        row["first_delivery_rate"] = (
            ratio(row["first_delivered"], row["expected"]) if is_timed else None
        )
        if named:
            row["bad_signature"] = None
    return rows


def _delivery_dims(question: Question) -> str:
    """Dimensions of a refused message: when it came and through which channel, no more."""
    text = question.dims(hour="shop_hour(received_at)")
    for name in set(question.by) & (set(NAMED_DIMENSIONS) - {"channel"}):
        text = text.replace(f"{name} as {name}", f"null as {name}")
    return text


def _rungs(asked: Asked) -> dict[tuple[object, ...], dict[str, int]]:
    """First receipts by delivery rung (0: the first delivery), for each row."""
    question = asked.question
    found: dict[tuple[object, ...], dict[str, int]] = {}
    for row in asked.rows(filled("rungs", question)):
        key = tuple(row[name] for name in question.by)
        found.setdefault(key, {})[str(row["rung"])] = row["orders"]
    return found


def share_of_later(rungs: Mapping[str, int]) -> float | None:
    """The share of first receipts that came on delivery 2 or later."""
    return ratio(sum(orders for rung, orders in rungs.items() if rung != "0"), sum(rungs.values()))


METRIC = Metric(
    name="notifications",
    title="Notifications",
    version=1,
    definition=(
        "Expected: paid orders. Received: a genuine payment notification came within 25 hours."
        " Missing: none did and 25 hours have passed. Duplicates: genuine deliveries beyond the"
        " first of a notification. Mismatched: genuine, but of another app, seller or amount."
        " First delivery: received before the channel's first retry ÷ expected. Rung: which delivery"
        " was the first to be received, 0 being the first."
    ),
    needs=(("notification_log",), ("trade_bill",)),
    fields=(
        "expected", "received", "missing", "duplicates", "bad_signature", "mismatched",
        "first_delivery_rate", "rung",
    ),
    answer=_answer,
)

"""Latency: how long each stage takes, with what never arrived counted as infinitely late."""

from __future__ import annotations

from dashboard.metrics.catalogue import Asked, Metric, filled
from loaders.store.reader import Row

EXACT_UP_TO = 1_000_000
NEVER_MS = 90_000_001
LEAST_ROWS = {"p50": 10, "p95": 100, "p99": 500}
STAGES = ("channel", "notification", "recognition", "end_to_end", "api", "refund")
_TOLD = ("notification", "recognition", "end_to_end")
_ROLLED_UP = {"day", "week", "month", "channel", "product"}


def _answer(asked: Asked) -> list[Row]:
    question = asked.question
    if {*question.by, *question.where} <= _ROLLED_UP and _measured(asked) > EXACT_UP_TO:
        asked.notes.append(("≈ Percentiles come from buckets with at most 1 % relative error.", {}))
        rows = asked.rows(_buckets_sql(asked))
    else:
        rows = asked.rows(
            filled(
                "latency",
                question,
                trade_dims=question.dims(hour="shop_hour(created_at)"),
                refund_dims=question.dims(hour="shop_hour(coalesce(ordered_at, refunded_at))"),
            )
        )
    if "notification_log" not in asked.loaded:
        rows = [row for row in rows if row["stage"] not in _TOLD or row["count"]]
        rows = [row | ({"missing": 0} if row["stage"] in _TOLD else {}) for row in rows]
    for row in rows:
        size = row["count"] + row["missing"]
        for name, least in LEAST_ROWS.items():
            row[f"{name}_s"] = _seconds(row[f"{name}_ms"]) if size >= least else None
    return sorted(rows, key=lambda row: STAGES.index(row["stage"]))


def _buckets_sql(asked: Asked) -> str:
    question = asked.question
    same = " and ".join(
        f"found.{name} is not distinct from skew.{name}" for name in (*question.by, "stage")
    )
    return filled(
        "latency_buckets",
        question,
        trade_dims=question.dims(hour="shop_hour(created_at)"),
        day_dims=question.dims(hour="day::timestamp"),
        same=same,
    )


def _measured(asked: Asked) -> int:
    found = asked.rows(
        "select max(orders) as orders from (select sum(orders)::bigint as orders from"
        " lake.daily_latency where day between $first_hour::date and $last_hour::date group by stage)"
    )
    return int(found[0]["orders"] or 0)


def _seconds(milliseconds: float | None) -> float | str | None:
    """Seconds; "inf" where the percentile falls among the missing."""
    if milliseconds is None:
        return None
    return "inf" if milliseconds >= NEVER_MS else milliseconds / 1000


METRIC = Metric(
    name="latency",
    title="Latency",
    version=1,
    definition=(
        "Channel: last attempt sent to payment. Notification: payment to the first genuine receipt."
        " Recognition: payment to our knowing of it. End to end: order created to our knowing. API:"
        " one call. Refund: request to success. A notification that did not come within 25 hours"
        " counts as infinitely late. Negative spans are clock skew, counted apart. Shown from 10"
        " (p50), 100 (p95) and 500 (p99) rows on."
    ),
    needs=(("checkout_log",), ("notification_log",)),
    fields=("stage", "count", "missing", "skewed", "p50_s", "p95_s", "p99_s"),
    answer=_answer,
)

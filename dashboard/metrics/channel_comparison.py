"""Channels against each other on the same products and hours, each figure with its interval."""

from __future__ import annotations

import math

from dashboard.metrics.catalogue import Asked, Metric, filled, sql
from dashboard.metrics.intervals import Z95, wilson
from dashboard.metrics.latency import EXACT_UP_TO
from dashboard.metrics.reconciled import refuse_split
from loaders.channels import product_kinds
from loaders.store.reader import Row

Bounds = tuple[float | None, float | None]


def medians(spans: str, exact: int = EXACT_UP_TO) -> str:
    """The query of the medians of a table's spans, with the bounds order statistics give (95 %)."""
    text = sql("medians")
    for name, value in {"spans": spans, "exact": str(exact), "z": str(Z95)}.items():
        text = text.replace("{" + name + "}", value)
    return text


def standardised(rate: float, variance: float, orders: int) -> Bounds:
    """Wilson's bounds of a weighted rate, with as many orders as its variance is worth."""
    worth = rate * (1 - rate) / variance if variance > 0 else orders
    worth = min(worth, orders)
    return wilson_of_rate(rate, worth)


def wilson_of_rate(rate: float, worth: float) -> Bounds:
    """Wilson's bounds where the number of trials need not be whole."""
    if rate in (0.0, 1.0):
        return wilson(round(rate * worth), round(worth))
    square = Z95 * Z95
    scale = 1 + square / worth
    centre = rate + square / (2 * worth)
    spread = Z95 * math.sqrt(rate * (1 - rate) / worth + square / (4 * worth * worth))
    return (centre - spread) / scale, (centre + spread) / scale


def _kind() -> str:
    """An expression of an order's kind of product; a product that no channel maps is its own."""
    cases = " ".join(
        f"when channel = '{channel}' and product = '{product}' then '{kind}'"
        for channel, kinds in product_kinds().items() for product, kind in kinds.items()
    )
    return f"case {cases} else coalesce(product, '') end"


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _answer(asked: Asked) -> list[Row]:
    refuse_split(METRIC.name, asked.question)
    text = filled("channel_comparison", asked.question, kind=_kind(), medians=medians("spans"))
    rows = asked.rows(text)
    for row in rows:
        row["low"], row["high"] = standardised(row["rate"], row.pop("variance"), row["orders"])
        for name, what in (("p50", "paying"), ("refund_p50", "refunding")):
            for suffix in ("", "_low", "_high"):
                row[f"{name}{suffix}_s"] = _seconds(row.pop(f"{what}{suffix}"))
        base = row.pop("base_fen")
        fee = row.pop("fee_fen")
        row["fee_rate"] = float(fee) / base if base else None
    sizes = [row.pop(f"{what}_size") or 0 for row in rows for what in ("paying", "refunding")]
    if max(sizes, default=0) > EXACT_UP_TO:
        asked.notes.append(("≈ Percentiles come from buckets with at most 1 % relative error.", {}))
    if len(rows) == 1:
        asked.notes.append(
            ("Only one channel has orders in this period: there is nothing to compare.", {})
        )
    return rows


METRIC = Metric(
    name="channel_comparison",
    title="Channels compared",
    version=2,
    definition=(
        "Orders decided, of kinds of product (app, page on the phone, QR code, counter) and hours "
        "of the day in which every channel of the period has orders; the rates are weighted alike "
        "(by the orders of all channels in a cell), so that a channel's mix does not count. Fee "
        "rate: of payments not refunded. Intervals of 95 %: Wilson's for the rate, order "
        "statistics for medians. Latency: from the last submission to the payment. Refund time: "
        "from the request to the refund."
    ),
    needs=(("checkout_log",), ("notification_log", "trade_bill")),
    fields=(
        "channel", "orders", "cells", "rate", "low", "high", "p50_s", "p50_low_s", "p50_high_s",
        "fee_rate", "refund_p50_s", "refund_p50_low_s", "refund_p50_high_s",
    ),
    answer=_answer,
    dimensions=("product", "client", "store", "campaign", "channel"),
)

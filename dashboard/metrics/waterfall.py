"""Waterfall: from what buyers ordered to what is left in the account."""

from __future__ import annotations

from decimal import Decimal

from dashboard.metrics.catalogue import Asked, Metric, filled
from dashboard.metrics.settlement import number
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    rows = asked.rows(filled("waterfall", asked.question))
    for row in rows:
        fee, split = Decimal(row["fee_fen"]), Decimal(row["split_fen"])
        row["discount_fen"] = row["ordered_fen"] - row["gross_fen"]
        row["net_fen"] = number(row["gross_fen"] - row["refunded_fen"] - fee - split)
        row["fee_fen"], row["split_fen"] = number(fee), number(split)
    return rows


METRIC = Metric(
    name="waterfall",
    title="From gross to net",
    version=2,
    definition=(
        "By the bill's day. Ordered − discounts the shop bears = gross; gross − refunded − fees −"
        " splits = net. Withdrawn: paid out of the account, part of no day's net. Where both bills"
        " cover a day, fees and splits come from the account bill and the rest from the trade bill."
    ),
    needs=(("trade_bill", "account_bill"),),
    fields=(
        "ordered_fen", "discount_fen", "gross_fen", "refunded_fen", "fee_fen", "split_fen",
        "net_fen", "withdrawn_fen",
    ),
    answer=_answer,
    dimensions=("day", "week", "month", "channel"),
)

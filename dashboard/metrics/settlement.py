"""Settlement: what the bills say came in, went back, and was charged."""

from __future__ import annotations

from decimal import Decimal

from dashboard.metrics.catalogue import Asked, Metric, filled
from loaders.store.reader import Row


def _answer(asked: Asked) -> list[Row]:
    rows = asked.rows(filled("settlement", asked.question))
    for row in rows:
        fee = Decimal(row["fee_fen"])
        net = row["gross_fen"] - row["refunded_fen"] - fee
        row["fee_fen"], row["net_fen"] = number(fee), number(net)
    return rows


def number(fen: Decimal) -> int | float:
    """Whole fen as an integer; a channel's fraction of a fen (three decimals) as it is."""
    return int(fen) if fen == fen.to_integral_value() else float(fen)


METRIC = Metric(
    name="settlement",
    title="Settlement",
    version=2,
    definition=(
        "By the bill's day. Gross: what buyers' payments bring before fees. Refunded: given back,"
        " or accepted and off the account; not what the bill has as failed or stuck."
        " Fee: what the channel charges, less fees given back. Net = gross − refunded − fee. Where a"
        " trade bill and an account bill cover the day, gross and refunds come from the trade bill"
        " and fees from the account bill; never from both."
    ),
    needs=(("trade_bill", "account_bill"),),
    fields=("gross_fen", "refunded_fen", "fee_fen", "net_fen"),
    answer=_answer,
    dimensions=("day", "week", "month", "channel"),
)

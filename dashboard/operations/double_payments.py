"""Payments that look like the same purchase paid twice, so that one of them can be refunded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from dashboard.operations import refund_rows
from dashboard.operations.ledger import Ledger
from loaders.errors import MdashError

if TYPE_CHECKING:
    from loaders.store.reader import Reader

WITHIN_MINUTES = 10
SAME_ORDER = "One order was paid through two channels."
SAME_BUYER = "The same buyer paid the same amount twice within {minutes} minutes."


@dataclass(frozen=True, slots=True)
class DoublePayment:
    """The later of two payments, which is the one to be refunded, and its twin, which stays."""

    channel: str
    order_no: str
    twin_channel: str
    twin_order_no: str
    buyer: str | None
    amount_fen: int
    paid_at: datetime
    twin_paid_at: datetime
    why: MdashError


def find(
    reader: Reader, ledger: Ledger, first_day: date, last_day: date, limit: int = 200
) -> list[DoublePayment]:
    """Double payments of inclusive days whose money is still there, newest first."""
    if reader.is_empty:
        return []
    rows = reader.rows(
        _FIND, {"first": first_day, "last": last_day, "within_s": WITHIN_MINUTES * 60,
                "limit": limit},
    )
    with ledger.reading() as connection:
        return [
            _made(row) for row in rows
            if all(
                item.state == "refused"
                for channel, order_no in ((row["channel"], row["order_no"]),
                                          (row["twin_channel"], row["twin_order_no"]))
                for item in refund_rows.of_order(connection, channel, order_no)
            )
        ]


def _made(row: dict[str, Any]) -> DoublePayment:
    is_same_order = row["order_no"] == row["twin_order_no"]
    why = MdashError(SAME_ORDER) if is_same_order else MdashError(
        SAME_BUYER, minutes=WITHIN_MINUTES
    )
    return DoublePayment(**row, why=why)


_FIND = """
with paid as (
    select channel, order_no, buyer, store, amount_fen, paid_at
    from lake.trade
    where
        home_day between $first::date - 40 and $last::date + 1
        and paid_at is not null
        and refunded_fen = 0
        and shop_day(paid_at) between $first::date - 1 and $last::date
)
select
    later.channel,
    later.order_no,
    earlier.channel as twin_channel,
    earlier.order_no as twin_order_no,
    later.buyer,
    later.amount_fen,
    later.paid_at,
    earlier.paid_at as twin_paid_at
from paid as later
inner join paid as earlier
    on later.amount_fen = earlier.amount_fen
    and (
        (later.order_no = earlier.order_no and later.channel <> earlier.channel)
        or (
            later.order_no <> earlier.order_no
            and later.buyer = earlier.buyer
            and later.store is not distinct from earlier.store
            and later.paid_at <= earlier.paid_at + to_seconds($within_s)
        )
    )
    and (later.paid_at, later.channel, later.order_no)
    > (earlier.paid_at, earlier.channel, earlier.order_no)
where shop_day(later.paid_at) between $first::date and $last::date
qualify row_number() over (
    partition by later.channel, later.order_no order by earlier.paid_at desc
) = 1
order by later.paid_at desc, later.order_no
limit $limit
"""

"""Which orders' outcomes are overdue, asked of the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from loaders.records import EARLIEST
from loaders.store.reader import Reader
from loaders.store.warehouse import sql_file

EXPECTED_S = 120
SOON_S = 300
FIRST_WAIT_S = 60
LONGEST_WAIT_S = 6 * 3600
GIVEN_UP_S = 7 * 86_400
_LONGEST_LIFE = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Overdue:
    """An unpaid order that should be asked about; `asks` is how often it was asked before."""

    channel: str
    order_no: str
    amount_fen: int
    ends_at: datetime
    asks: int
    trade_no: str | None = None


def overdue(
    reader: Reader, channel: str, now: datetime, most: int, *, every: bool = False
) -> tuple[list[Overdue], int]:
    """The most valuable overdue orders of a channel, at most `most`; and how many there are in all.

    An order is overdue when its notification is late, when a call about it was not answered, shortly
    before it ends and once after. Between askings the wait doubles; a closed order is not asked again.
    `every`: also each order whose time is over, however often and however long ago it was asked, that
    is neither paid nor ended by the channel's word. `now` is naive UTC.
    """
    if reader.is_empty:
        return [], 0
    rows = reader.rows(
        sql_file("questions", "overdue"),
        {
            "channel": channel,
            "now": now,
            "since": EARLIEST.date() if every
            else (now - timedelta(seconds=GIVEN_UP_S) - _LONGEST_LIFE).date(),
            "every": every,
            "expected_s": EXPECTED_S,
            "soon_s": SOON_S,
            "first_wait_s": FIRST_WAIT_S,
            "longest_wait_s": LONGEST_WAIT_S,
            "given_up_s": GIVEN_UP_S,
            "most": most,
        },
    )
    names = ("channel", "order_no", "amount_fen", "ends_at", "asks", "trade_no")
    return [Overdue(**{name: row[name] for name in names}) for row in rows], (
        rows[0]["overdue"] if rows else 0
    )

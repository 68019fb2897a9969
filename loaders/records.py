"""The records that channels make of files and messages. No I/O, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NewType

Part = Literal["whole", "payments", "refunds"]
Fen = NewType("Fen", int)
"""Whole fen (分). Yuan appears only in a channel's file and where a person reads."""

EARLIEST, LATEST = datetime(2000, 1, 1), datetime(2100, 1, 1)
"""Instants outside of these are mistakes, not times of payments."""

_YUAN = re.compile(r"-?\d{1,13}(?:\.\d{1,2})?")


def fen_of_yuan(yuan: str) -> Fen:
    """Whole fen of a plain decimal yuan text. Raises ValueError for any other text."""
    text = yuan.strip()
    if not _YUAN.fullmatch(text):
        raise ValueError(f"not an amount in yuan: {yuan[:20]!r}")
    return Fen(int(Decimal(text).scaleb(2)))


@dataclass(frozen=True, slots=True)
class Reject:
    """One line that was not taken: `template` with `values` is the sentence for people."""

    line: int
    template: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """A verified notification. Instants are naive UTC; buyer ids are the channel's own.

    A channel tells of a refund either its own amount, or what it and those before it add up to.
    """

    notify_id: str
    order_no: str
    trade_no: str | None
    status: str
    proves_paid: bool
    is_refund: bool
    is_closed: bool
    amount_fen: int | None
    refunded_total_fen: int | None
    refund_no: str | None
    created_at: datetime | None
    paid_at: datetime | None
    refunded_at: datetime | None
    closed_at: datetime | None
    sent_at: datetime | None
    payer_id: str | None
    is_ours: bool
    refund_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer of the channel to an attempt means.

    `reason` is a class of METRICS D6 (None: not failed), `source` and `stage` stand beside it.
    `known` is False where the channel's answer leaves the outcome open. `may_pay` is True where a
    payment may still come of the attempt: accepted or open, not failed, not "already paid".
    """

    reason: str | None
    source: str | None
    stage: str | None
    known: bool
    may_pay: bool = False


@dataclass(frozen=True, slots=True)
class BillFrame:
    """What surrounds the rows of a bill: identity, span, header and control totals.

    `first_day` and `last_day` are inclusive business days. `exported_at` is naive UTC.
    `totals` maps a control total's name to its value (counts, fen, or thousandths of a fen).
    `part` says which rows of its days a bill has: exports of parts stand beside each other.
    """

    kind: str
    account: str | None
    first_day: date | None
    last_day: date | None
    exported_at: datetime | None
    columns: tuple[str, ...]
    data_starts: int
    data_ends: int
    data_line: int
    totals: dict[str, int] = field(default_factory=dict)
    part: Part = "whole"

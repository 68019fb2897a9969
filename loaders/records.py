"""The records that channels make of files and messages. No I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Generic, Literal, NewType, TypeVar

from loaders.errors import MdashError

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
    `billed_on` is the day of every row, where the channel's days are not the calendar's; a day
    ends `day_ends` after its beginning.
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
    billed_on: date | None = None
    day_ends: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """What a channel's code says: for people (templates), for metrics, and for what comes next.

    `is_known` is False where the code leaves open what became of the request. `may_repeat` is True
    where the same request, unchanged, may be sent again and may then succeed. `is_first_final`: to
    the first request under its number it is a final no, although after another one it is not.
    """

    text: str
    action: str
    outcome: Outcome
    is_known: bool
    may_repeat: bool
    is_first_final: bool = False


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """How a channel answered one request.

    `data` is what it said, and only there if the answer counts: signed, complete, about what was
    asked. `is_known` is True where the answer settles what became of the request; `is_success`
    where the channel accepted it. Silence, an unsigned or unfamiliar answer is neither, `why`
    then says so. `was_sent` is False only if the request certainly never left. `code`, `sub_code`
    and `text` are the channel's own, as they came. `noted` is what the call log may keep.
    """

    data: T | None = None
    is_known: bool = False
    is_success: bool = False
    is_verified: bool = False
    may_repeat: bool = False
    was_sent: bool = True
    code: str | None = None
    sub_code: str | None = None
    text: str | None = None
    meaning: CodeMeaning | None = None
    why: MdashError | None = None
    noted: Mapping[str, str] = field(default_factory=dict)


TradeOutcome = Literal["paid", "unpaid", "closed", "refunded", "unknown"]
RefundOutcome = Literal["done", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class TradeQuestion:
    """Which trade is meant; `amount_fen`, where known, is what its amount must be."""

    order_no: str = ""
    trade_no: str = ""
    amount_fen: int | None = None


@dataclass(frozen=True, slots=True)
class FundBill:
    """What one means of payment bore of an amount."""

    means: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class TradeState:
    """A trade as the channel knows it. `status` is the channel's own word; instants naive UTC."""

    order_no: str
    trade_no: str | None
    outcome: TradeOutcome
    status: str | None = None
    amount_fen: int | None = None
    received_fen: int | None = None
    payer_paid_fen: int | None = None
    paid_at: datetime | None = None
    payer_id: str | None = None
    payer_logon: str | None = None
    store: str | None = None
    funds: tuple[FundBill, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """A refund to be made. The same number with the same amount is the same refund.

    `refunded_before_fen`, where known, is the trade's refunded total before this refund.
    `total_fen` is the trade's amount.
    """

    refund_no: str
    amount_fen: int
    order_no: str = ""
    trade_no: str = ""
    reason: str = ""
    total_fen: int | None = None
    refunded_before_fen: int | None = None


@dataclass(frozen=True, slots=True)
class RefundState:
    """A refund as the channel knows it.

    `done`: the money moved. `accepted`: taken, not proven. `absent`: the channel names no such
    refund, which proves nothing so soon after it was sent. `closed`: given up, nothing moved.
    `stuck`: the money left the shop and did not reach the buyer; a person must see to it.
    `bank_state` is S, F or P where the money goes back to a bank card.
    """

    refund_no: str
    order_no: str
    trade_no: str | None
    state: Literal["done", "accepted", "absent", "closed", "stuck"]
    amount_fen: int | None = None
    refunded_total_fen: int | None = None
    refunded_at: datetime | None = None
    bank_state: str | None = None
    funds: tuple[FundBill, ...] = ()


@dataclass(frozen=True, slots=True)
class CloseState:
    """What closing or cancelling did: `closed` unpaid, `refunded`, or there was `nothing`."""

    order_no: str
    trade_no: str | None
    action: Literal["closed", "refunded", "nothing"]


@dataclass(frozen=True, slots=True)
class RefundRules:
    """What a channel allows of refunds: until how many days after the payment, how many of one
    trade (None: any number), how many seconds apart, and with how long a reason (None: any).
    """

    window_days: int = 365
    most_refunds: int | None = None
    spacing_s: int = 0
    reason_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class BillTerms:
    """How long a channel keeps its bills, and whether it makes one of a whole month."""

    kept_days: int
    has_months: bool = False


def trade_outcome(answer: Answer[TradeState]) -> TradeOutcome:
    """What an answer to a query proves of the trade."""
    return answer.data.outcome if answer.is_known and answer.data else "unknown"


def refund_outcome(answer: Answer[RefundState]) -> RefundOutcome:
    """What an answer to a refund, or to a question about it, proves of the refund."""
    if not answer.is_known:
        return "unknown"
    return "done" if answer.data is not None and answer.data.state == "done" else "refused"

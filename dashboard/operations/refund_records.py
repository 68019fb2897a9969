"""What is known of a refund and of what may be refunded: plain records and how the ledger keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from loaders import errors
from loaders.errors import MdashError, RefusedInput

State = Literal["awaiting_approval", "reserved", "submitting", "done", "refused", "unknown"]
OPEN: tuple[State, ...] = ("reserved", "submitting", "unknown")
"""States in which money may yet move without anybody doing anything more."""


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund. Every state but `refused` sets its amount aside.

    `sends_at` is the end of the cancel window; `why` says what keeps it from being done;
    `was_unknown`: a message was sent whose outcome nobody knew at the time.
    """

    refund_no: str
    channel: str
    order_no: str
    trade_no: str | None
    amount_fen: int
    reason: str
    state: State
    requested_by: str
    approved_by: str | None
    store: str | None
    requested_at: datetime
    updated_at: datetime
    sends_at: datetime | None = None
    asked_at: datetime | None = None
    tries: int = 0
    why: MdashError | None = None
    was_unknown: bool = False
    batch: str | None = None
    paid_fen: int = 0
    asks: int = 0
    digest: str = ""
    sent_at: datetime | None = None
    due_at: datetime | None = None
    uncertain_at: datetime | None = None
    refusal: MdashError | None = None
    holder: str | None = None
    lease_until: datetime | None = None

    @property
    def is_settled(self) -> bool:
        """True once it is proven that the money moved, or that it never will."""
        return self.state in ("done", "refused")


@dataclass(frozen=True, slots=True)
class Standing:
    """What may be refunded of an order, and why not, said before anybody asks for it.

    `refunded_fen` is proven, `set_aside_fen` is asked for and not settled; `most_fen` is the most one
    refund may be. Above `approval_above_fen` of one order in all a second person approves: what went
    out or is on its way without one leaves `unapproved_most_fen` (None: no bound). `next_at` is the
    earliest instant at which the channel takes the next refund; `count_left` of None has no limit.
    """

    amount_fen: int
    paid_fen: int
    refunded_fen: int
    set_aside_fen: int
    remaining_fen: int
    most_fen: int
    approval_above_fen: int | None
    unapproved_most_fen: int | None
    window_ends_at: datetime | None
    next_at: datetime | None
    count: int
    count_left: int | None
    why_not: MdashError | None


def refund_of(row: Mapping[str, Any]) -> Refund:
    """A row of the ledger as a record."""
    fields = dict(row)
    fields["why"] = error_of(fields["why"])
    fields["refusal"] = error_of(fields["refusal"])
    return Refund(**fields, was_unknown=fields["uncertain_at"] is not None)


def digest_of(refund: Refund) -> str:
    """What an approval is bound to: a hash of the exact request."""
    said = [
        refund.refund_no, refund.channel, refund.order_no, refund.trade_no, refund.amount_fen,
        refund.paid_fen, refund.reason, refund.requested_by, refund.requested_at.isoformat(),
    ]
    return sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


def error_document(error: MdashError | None) -> dict[str, Any] | None:
    """An error as the ledger keeps it."""
    if error is None:
        return None
    values = {name: value if isinstance(value, int | float) else str(value)
              for name, value in error.values.items()}
    return {"kind": type(error).__name__, "template": error.template, "values": values}


def error_of(document: Mapping[str, Any] | None) -> MdashError | None:
    """An error that the ledger kept."""
    if document is None:
        return None
    kind = getattr(errors, document["kind"], RefusedInput)
    made: MdashError = kind(document["template"], **document["values"])
    return made

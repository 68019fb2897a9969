"""From everything heard of a trade to the facts that a verdict is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from dashboard.histories import Coverage, History
from dashboard.verdict import Facts, OpenRefund, Twin, Way
from loaders.messages import CHINA
from loaders.records import TradeOutcome
from loaders.store.reader import Row

LATE_PAYMENTS = timedelta(minutes=10)
"""So long after its end a payment of an order may still have been under way."""
_SAID: Mapping[str, TradeOutcome] = {
    "paid": "paid", "closed": "closed", "waiting": "unpaid", "absent": "unpaid",
}
_OPEN = ("awaiting_approval", "reserved", "submitting", "unknown")
_SENT = ("submitting", "unknown")


class Recorded(Protocol):
    """A refund as the ledger keeps it."""

    @property
    def refund_no(self) -> str: ...
    @property
    def amount_fen(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def updated_at(self) -> datetime: ...


def facts_of(
    history: History, coverage: Coverage, now: datetime, *, recorded: Sequence[Recorded] = (),
    can_ask: bool = True, is_cancelling: bool = False,
) -> Facts:
    """The facts of one trade. `recorded` are its refunds of the ledger."""
    trade = history.trade
    ends_at = trade["due_at"] or trade["created_at"] + timedelta(hours=24)
    paid_at: datetime | None = trade["paid_at"]
    billed = [line for line in history.lines if line["kind"] == "payment"]
    days = _days(trade["created_at"], ends_at)
    bill_day = day_of(paid_at) if paid_at else days[-1]
    proven = proven_refunds(history.refunds, recorded)
    return Facts(
        channel=trade["channel"],
        order_no=trade["order_no"],
        amount_fen=trade["amount_fen"],
        created_at=trade["created_at"],
        now=now,
        ends_at=ends_at,
        paid_at=paid_at,
        paid_by=trade["paid_by"],
        notified_at=trade["notified_at"],
        mismatched=trade["mismatched"] or 0,
        closed_at=_closed_at(history),
        failure=trade["failure_reason"],
        billed_on=trade["billed_on"] if billed else None,
        billed_fen=sum(line["order_fen"] or 0 for line in billed) if billed else None,
        bill_day=bill_day,
        is_bill_loaded=coverage.has(trade["channel"], bill_day),
        is_off_all_bills=not billed and now > ends_at
        and all(coverage.has(trade["channel"], day) for day in days),
        refunded_fen=sum(proven.values()),
        refunded_at=max(
            (row["refunded_at"] for row in history.refunds if row["refund_no"] in proven
             and row["refunded_at"]), default=None,
        ),
        open_refunds=tuple(_open_refunds(history.refunds, recorded, proven)),
        failed_fen=sum(
            int(row["asked_fen"] or 0) for row in history.refunds
            if row["state"] == "closed" and row["refund_no"] not in proven
        ),
        twin=next((Twin(row["twin_order_no"], row["paid_at"]) for row in history.twins), None),
        is_cancelling=is_cancelling,
        can_ask=can_ask,
        **_asked(history.events),
    )


def proven_refunds(loaded: Iterable[Row], recorded: Iterable[Recorded]) -> dict[str, int]:
    """Fen by refund number: what bills and notifications name, and what the ledger knows is done."""
    found = {
        row["refund_no"]: int(row["amount_fen"] or 0) for row in loaded if row["state"] == "done"
    }
    for item in recorded:
        if item.state == "done":
            found[item.refund_no] = max(item.amount_fen, found.get(item.refund_no, 0))
    return found


def _open_refunds(
    loaded: Sequence[Row], recorded: Sequence[Recorded], proven: Mapping[str, int]
) -> Iterator[OpenRefund]:
    """Refunds that are not proven either way, of the ledger and of bills and notifications."""
    way: dict[str, Way] = {
        row["refund_no"]: row["state"] for row in loaded if row["state"] in ("accepted", "stuck")
    }
    for item in recorded:
        if item.state in _OPEN and item.refund_no not in proven:
            yield OpenRefund(
                item.refund_no, item.amount_fen, item.state in _SENT, way.get(item.refund_no)
            )
    known = {item.refund_no: item for item in recorded}
    for row in loaded:
        own = known.get(row["refund_no"])
        is_told = own is not None and (
            own.state in _OPEN or not row["accepted_at"] or own.updated_at > row["accepted_at"]
        )
        if row["refund_no"] in way and row["refund_no"] not in proven and not is_told:
            yield OpenRefund(
                row["refund_no"], int(row["asked_fen"] or 0), row["state"] == "stuck", row["state"]
            )


def day_of(at: datetime) -> date:
    """The business day of an instant, as bills count it."""
    return (at + CHINA).date()


def _days(created_at: datetime, ends_at: datetime) -> list[date]:
    """The days on whose bills a payment of the order can stand."""
    first, last = day_of(created_at), day_of(ends_at + LATE_PAYMENTS)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def is_question(event: Row) -> bool:
    """True for a call that asked how a trade stands."""
    return (
        event["event"] == "attempt"
        and not event["is_payment"]
        and event["refund_no"] is None
        and str(event["method"] or "").endswith("query")
    )


def said_by(event: Row) -> TradeOutcome | None:
    """What the channel answered to a question; None if nothing that counts."""
    said = _SAID.get(event["says"] or "")
    return "refunded" if said == "closed" and event["channel_paid_at"] else said


def is_silence(event: Row) -> bool:
    """True for a call about the payment whose answer settles nothing."""
    if event["event"] != "attempt" or event["refund_no"]:
        return False
    if is_question(event):
        return said_by(event) is None
    return bool(
        event["is_payment"] and event["reached_channel"] and event["is_known"] is False
        and (event["code"] is None or event["reason"])
    )


def _asked(events: Sequence[Row]) -> dict[str, Any]:
    """What the channel was asked, and answered: `asked_at`, `said`, `unanswered_at`, `found_at`."""
    answered = [(row["happened_at"], said) for row in events if is_question(row)
                and (said := said_by(row))]
    silent = [row["happened_at"] for row in events if is_silence(row)]
    asked_at, said = max(answered, default=(None, None))
    is_later = bool(silent) and (asked_at is None or silent[-1] > asked_at)
    return {
        "asked_at": asked_at,
        "said": said,
        "unanswered_at": silent[-1] if is_later else None,
        "found_at": min((at for at, what in answered if what == "paid"), default=None),
    }


def _closed_at(history: History) -> datetime | None:
    """When the channel said that the trade was closed unpaid."""
    amount = history.trade["amount_fen"]
    told = [
        row["closed_at"] or row["received_at"]
        for row in history.messages
        if row["is_closed"] and row["verdict"] == "valid" and row["amount_fen"] in (None, amount)
    ]
    told += [row["happened_at"] for row in history.events
             if is_question(row) and said_by(row) == "closed"]
    return min(told, default=None)

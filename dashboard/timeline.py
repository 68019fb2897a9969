"""One trade's events on one time axis, whoever told of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from dashboard.histories import History
from dashboard.trade_facts import is_question, said_by
from dashboard.verdict import Tone

Lane = Literal["order", "attempt", "notification", "bill", "query", "refund"]
LANES: tuple[Lane, ...] = ("order", "attempt", "notification", "query", "bill", "refund")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `what` and `words` are worded; `detail` is somebody's own text.

    `message` is the place of a notification in its log: load, line and the line's key.
    """

    at: datetime
    lane: Lane
    what: str
    tone: Tone = "plain"
    amount_fen: int | None = None
    words: tuple[str, ...] = ()
    detail: str = ""
    elapsed_ms: int | None = None
    message: tuple[int, int, int] | None = None


class Kept(Protocol):
    """What somebody asked for, as the ledger keeps it."""

    @property
    def amount_fen(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def requested_at(self) -> datetime: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def requested_by(self) -> str: ...


class Asked(Kept, Protocol):
    """A refund as the ledger keeps it."""

    @property
    def refund_no(self) -> str: ...


class Cancelled(Kept, Protocol):
    """A cancellation as the ledger keeps it."""

    @property
    def cancel_no(self) -> str: ...


def steps(
    history: History, recorded: Sequence[Asked] = (), cancelled: Sequence[Cancelled] = ()
) -> list[Step]:
    """Everything in time order; what has no time is left out."""
    found = [
        *_orders(history), *_calls(history), *_messages(history), *_lines(history),
        *_refunds(history, recorded), *_cancellations(cancelled),
    ]
    return sorted(found, key=lambda step: (step.at, LANES.index(step.lane)))


def _orders(history: History) -> Iterator[Step]:
    trade = history.trade
    for row in history.events:
        if row["event"] == "order":
            yield Step(row["happened_at"], "order", "order", amount_fen=row["amount_fen"])
            if row["expires_at"]:
                yield Step(row["expires_at"], "order", "order_ends")
        elif row["event"] == "close":
            words = (row["closed_by"],) if row["closed_by"] else ()
            yield Step(row["happened_at"], "order", "close", words=words)
    if trade["paid_at"]:
        yield Step(trade["paid_at"], "order", "paid", "good", trade["amount_fen"])


def _calls(history: History) -> Iterator[Step]:
    for row in history.events:
        if row["event"] != "attempt":
            continue
        shared: dict[str, Any] = {
            "detail": _code(row), "elapsed_ms": row["elapsed_ms"],
        }
        if is_question(row):
            said = said_by(row) or "unknown"
            yield Step(row["happened_at"], "query", "asked", _TONES.get(said, "plain"),
                       words=(_WORDS[said],), **shared)
        elif row["refund_no"] or str(row["method"] or "").endswith("refund"):
            what = "refund_asked" if str(row["method"]).endswith("query") else "refund_sent"
            yield Step(row["happened_at"], "refund", what, **shared | {
                "detail": " · ".join(filter(None, (row["refund_no"], shared["detail"])))
            })
        elif row["is_payment"]:
            tone: Tone = (
                "open" if row["is_known"] is False else "bad" if row["reason"] else "plain"
            )
            words = (row["reason"],) if row["reason"] else ()
            yield Step(row["happened_at"], "attempt", "attempt", tone, words=words, **shared)
        else:
            yield Step(row["happened_at"], "query", "call", **shared | {
                "detail": " · ".join(filter(None, (row["method"], shared["detail"])))
            })


_TONES: dict[str, Tone] = {"paid": "good", "unknown": "open"}
_WORDS = {"paid": "paid", "unpaid": "not_paid_yet", "closed": "closed_unpaid",
          "refunded": "given_back", "unknown": "still_unknown"}


def _code(row: dict[str, Any]) -> str:
    if row["reached_channel"] is False:
        return "not_sent"
    return str(row["sub_code"] or row["code"] or "")


def _messages(history: History) -> Iterator[Step]:
    right = history.trade["amount_fen"]
    for row in history.messages:
        at = row["received_at"]
        if at is None:
            continue
        is_wrong = row["amount_fen"] is not None and row["amount_fen"] != right
        what = "message_refund" if row["is_refund"] else "message"
        words = ("other_amount",) if is_wrong else ()
        if row["verdict"] != "valid":
            words = (row["verdict"],)
        yield Step(
            at, "notification", what, _heard(row, is_wrong),
            row["refund_fen"] if row["is_refund"] else row["amount_fen"], words,
            str(row["status"] or ""), message=(row["load_id"], row["line"], row["line_key"]),
        )


def _heard(row: dict[str, Any], is_wrong: bool) -> Tone:
    if is_wrong or row["verdict"] != "valid":
        return "bad"
    return "good" if row["proves_paid"] and not row["is_refund"] else "plain"


def _lines(history: History) -> Iterator[Step]:
    right = history.trade["amount_fen"]
    for row in history.lines:
        is_wrong = row["kind"] == "payment" and row["order_fen"] != right
        if row["finished_at"]:
            yield Step(
                row["finished_at"], "bill", f"bill_{row['kind']}", "bad" if is_wrong else "plain",
                row["order_fen"] or row["receipt_fen"], (), row["billed_on"].isoformat(),
            )


_TOLD: dict[str, tuple[str, Tone]] = {
    "done": ("refund_done", "plain"), "accepted": ("refund_accepted", "open"),
    "stuck": ("refund_stuck", "bad"), "closed": ("refund_closed", "bad"),
}


def _refunds(history: History, recorded: Sequence[Asked]) -> Iterator[Step]:
    for row in history.refunds:
        at = row["refunded_at"] if row["state"] == "done" else row["accepted_at"]
        if at:
            yield Step(at, "refund", *_TOLD[row["state"]], row["amount_fen"] or row["asked_fen"],
                       detail=row["refund_no"])
    for item in recorded:
        yield Step(item.requested_at, "refund", "refund_requested", "plain", item.amount_fen,
                   detail=f"{item.refund_no} · {item.requested_by}")
        if item.updated_at != item.requested_at:
            tone: Tone = "open" if item.state in ("submitting", "unknown") else "plain"
            yield Step(item.updated_at, "refund", f"refund_{item.state}", tone, item.amount_fen,
                       detail=item.refund_no)


def _cancellations(cancelled: Sequence[Cancelled]) -> Iterator[Step]:
    for item in cancelled:
        yield Step(item.requested_at, "refund", "cancel_requested", "plain", item.amount_fen,
                   detail=f"{item.cancel_no} · {item.requested_by}")
        if item.updated_at != item.requested_at:
            tone: Tone = "open" if item.state in ("submitting", "unknown") else "plain"
            yield Step(item.updated_at, "refund", f"cancel_{item.state}", tone, item.amount_fen,
                       detail=item.cancel_no)

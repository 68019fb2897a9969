"""What became of one trade, in one sentence, and the one safe thing to do next. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

from loaders.records import TradeOutcome

State = Literal[
    "paid", "paid_late", "partly_refunded", "refunded", "mismatch", "closed", "unpaid", "waiting",
    "unknown",
]
Act = Literal[
    "ask", "ask_refund", "handle", "wait", "refund", "reconcile", "load_bill", "nothing",
]
Way = Literal["accepted", "stuck"]
Tone = Literal["good", "bad", "open", "plain"]
TONES: dict[State, Tone] = {
    "paid": "good", "paid_late": "bad", "partly_refunded": "plain", "refunded": "plain",
    "mismatch": "bad", "closed": "plain", "unpaid": "plain", "waiting": "open", "unknown": "open",
}
RETRIES_LAST = timedelta(hours=25)
"""How long a channel keeps sending a notification."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A payment like this one by the same buyer at about the same time."""

    order_no: str
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class OpenRefund:
    """A refund that was asked for and is not proven either way. `is_unknown`: it was sent.

    `way` is the channel's last word: it is on its way, or stuck on the way to the buyer.
    """

    refund_no: str
    amount_fen: int
    is_unknown: bool
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one trade. Instants are naive UTC, days the shop's business days.

    `asked_at` and `said` are of the last question that the channel answered (None: none did);
    `unanswered_at` of the last one that it did not. `closed_at` is the channel's word. `bill_days`
    are the days on which a payment of the order could stand on a bill, `bills` those of them whose
    bill is loaded; `billed_fen` is what the bill says was paid. `is_cancelling`: the payment was
    cancelled and nobody knows what that did.
    """

    channel: str
    order_no: str
    amount_fen: int | None
    created_at: datetime
    now: datetime
    ends_at: datetime | None = None
    paid_at: datetime | None = None
    paid_by: Literal["notification", "query", "bill"] | None = None
    notified_at: datetime | None = None
    found_at: datetime | None = None
    mismatched: int = 0
    asked_at: datetime | None = None
    said: TradeOutcome | None = None
    unanswered_at: datetime | None = None
    closed_at: datetime | None = None
    failure: str | None = None
    billed_on: date | None = None
    billed_fen: int | None = None
    bill_day: date | None = None
    is_bill_loaded: bool = False
    is_off_all_bills: bool = False
    refunded_fen: int = 0
    refunded_at: datetime | None = None
    open_refunds: tuple[OpenRefund, ...] = ()
    failed_fen: int = 0
    is_cancelling: bool = False
    twin: Twin | None = None
    can_ask: bool = True

    @property
    def is_late(self) -> bool:
        """True if it was paid after the order had ended."""
        return bool(self.paid_at and self.ends_at and self.paid_at > self.ends_at)

    @property
    def left_fen(self) -> int:
        """What was paid and not given back."""
        return (self.amount_fen or 0) - self.refunded_fen


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of the sentence: a template, and values that are instants, days, fen or texts."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """The next safe thing to do."""

    act: Act
    clause: Clause


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a trade, and what to do."""

    state: State
    clauses: tuple[Clause, ...]
    action: Action

    @property
    def tone(self) -> Tone:
        """How the state is coloured."""
        if self.action.act in ("reconcile", "ask_refund", "handle") or (
            self.state == "paid" and self.action.act == "refund"
        ):
            return "bad"
        return TONES[self.state]


def made(template: str, **values: Any) -> Clause:
    """A clause."""
    return Clause(template, values)


def verdict(facts: Facts) -> Verdict:
    """The verdict over what is known. What nobody proved is said to be unknown, never guessed."""
    if facts.paid_at is None:
        state, lead = _unpaid(facts)
        clauses = (lead, *_cancelling(facts), *_wrong_amounts(facts), *_last_try(facts, state))
    else:
        state = _paid_state(facts)
        clauses = (
            _paid(facts), *_given_back(facts), *_cancelling(facts), _on_the_bill(facts), _told(facts),
            *_wrong_amounts(facts), *_double(facts),
        )
    if facts.is_cancelling:
        state = "unknown"
    return Verdict(state, clauses, _action(facts, state))


def _cancelling(facts: Facts) -> Iterator[Clause]:
    if facts.is_cancelling:
        yield made("the payment was cancelled, and whether that went through is not known")


def _paid_state(facts: Facts) -> State:
    if facts.refunded_fen and facts.left_fen <= 0:
        return "refunded"
    if facts.refunded_fen:
        return "partly_refunded"
    if _bill_disagrees(facts):
        return "mismatch"
    return "paid_late" if facts.is_late else "paid"


def _bill_disagrees(facts: Facts) -> bool:
    return facts.billed_fen is not None and facts.billed_fen != facts.amount_fen


def _bill_lacks_it(facts: Facts) -> bool:
    return facts.billed_on is None and facts.is_bill_loaded


def _paid(facts: Facts) -> Clause:
    if facts.is_late:
        return made("Paid {at}, after the order had ended {end}", at=facts.paid_at, end=facts.ends_at)
    return made("Paid {at}", at=facts.paid_at)


def _given_back(facts: Facts) -> Iterator[Clause]:
    if facts.refunded_fen and facts.left_fen <= 0:
        yield made("given back in full {at}", at=facts.refunded_at) if facts.refunded_at else made(
            "given back in full"
        )
    elif facts.refunded_fen:
        yield made("{part_fen} of {all_fen} given back", part_fen=facts.refunded_fen,
                   all_fen=facts.amount_fen)
    if facts.failed_fen:
        yield made("a refund of {part_fen} failed, no money went back", part_fen=facts.failed_fen)
    for refund in facts.open_refunds:
        if refund.way == "stuck":
            yield made("a refund of {part_fen} could not reach the buyer's account",
                       part_fen=refund.amount_fen)
        elif refund.way == "accepted":
            yield made("a refund of {part_fen} was accepted and is not proven yet",
                       part_fen=refund.amount_fen)
        elif refund.is_unknown:
            yield made("whether {part_fen} more were given back is not known",
                       part_fen=refund.amount_fen)
        else:
            yield made("a refund of {part_fen} is asked for and not sent yet",
                       part_fen=refund.amount_fen)


def _on_the_bill(facts: Facts) -> Clause:
    if facts.billed_on is None:
        if facts.is_bill_loaded:
            return made("the bill of {day} does not have it", day=facts.bill_day)
        return made("the bill of {day} is not loaded yet", day=facts.bill_day)
    if _bill_disagrees(facts):
        return made("the bill of {day} says {part_fen} instead of {all_fen}", day=facts.billed_on,
                    part_fen=facts.billed_fen, all_fen=facts.amount_fen)
    return made("the bill of {day} agrees", day=facts.billed_on)


def _told(facts: Facts) -> Clause:
    if facts.notified_at is not None:
        return made("notification arrived {at}", at=facts.notified_at)
    if facts.paid_by == "notification":
        return made("a notification arrived, nobody knows when")
    if facts.paid_at is not None and facts.now < facts.paid_at + RETRIES_LAST:
        if facts.found_at:
            return made("no notification so far, found by query {at}", at=facts.found_at)
        return made("no notification so far")
    if facts.found_at:
        return made("no notification arrived, found by query {at}", at=facts.found_at)
    return made("no notification arrived, found by the bill")


def _wrong_amounts(facts: Facts) -> Iterator[Clause]:
    if facts.mismatched == 1:
        yield made("a notification named another amount and does not count")
    elif facts.mismatched:
        yield made("{count} notifications named another amount and do not count",
                   count=facts.mismatched)


def _double(facts: Facts) -> Iterator[Clause]:
    if facts.twin:
        yield made("the same buyer paid the same amount for {order_no} {at}, perhaps twice by mistake",
                   order_no=facts.twin.order_no, at=facts.twin.paid_at)


def _unpaid(facts: Facts) -> tuple[State, Clause]:
    """Only the channel's word, or a bill without it, says that an order was not paid."""
    if facts.closed_at is not None:
        return "closed", made("Not paid; the channel closed it {at}", at=facts.closed_at)
    if facts.said == "refunded":
        return "refunded", made("Paid and given back, as the channel said {at}", at=facts.asked_at)
    if facts.is_off_all_bills:
        return "unpaid", made("Not paid; the bill of {day} has no payment of it", day=facts.bill_day)
    if facts.mismatched:
        return "mismatch", made("Not known to be paid")
    if facts.ends_at is not None and facts.now <= facts.ends_at:
        return _waiting(facts)
    if facts.said == "unpaid" and not _asked_too_soon(facts):
        return "unpaid", made("Not paid, as the channel said {at}", at=facts.asked_at)
    if facts.unanswered_at is not None:
        return "unknown", made("Unknown: the channel gave no valid answer {at}",
                               at=facts.unanswered_at)
    if facts.said == "unpaid":
        return "unknown", made("Unknown: not paid at {at}, and not asked since the order ended",
                               at=facts.asked_at)
    return "unknown", made("Unknown: no notification came and nobody asked the channel")


def _waiting(facts: Facts) -> tuple[State, Clause]:
    if facts.unanswered_at is not None and facts.said is None:
        return "unknown", made("Unknown: the channel gave no valid answer {at}",
                               at=facts.unanswered_at)
    return "waiting", made("Not paid yet; the order ends {at}", at=facts.ends_at)


def _asked_too_soon(facts: Facts) -> bool:
    """True if the buyer could still pay after the channel said that it was not paid."""
    if facts.asked_at is None:
        return True
    if facts.unanswered_at is not None and facts.unanswered_at > facts.asked_at:
        return True
    return facts.ends_at is None or facts.asked_at <= facts.ends_at


def _last_try(facts: Facts, state: State) -> Iterator[Clause]:
    if facts.failure and state in ("closed", "unpaid", "waiting"):
        yield made("the last attempt failed: {word}", word=facts.failure)


def _action(facts: Facts, state: State) -> Action:
    """One thing, the most pressing first; money moves only where it is proven to be owed."""
    if any(refund.way == "stuck" for refund in facts.open_refunds):
        return Action("handle", made(
            "Handle the refund on the channel's merchant platform; do not refund it another way."
        ))
    if any(refund.is_unknown for refund in facts.open_refunds):
        return Action("ask_refund", made(
            "Ask about the refund until it is certain; do not make another."
        ))
    if facts.is_cancelling:
        return Action("ask", made(
            "Ask about the cancellation until it is certain; do not make a refund."
        ))
    if state == "unknown" or (state == "mismatch" and facts.paid_at is None):
        return _asking(facts)
    if _is_broken(facts):
        return Action("reconcile", made(
            "Ask the channel, and take the difference up with it if it stands."
        ))
    if facts.paid_at is not None and facts.left_fen > 0:
        return _about_money(facts)
    if state == "waiting":
        return Action("wait", made("Wait until {at}; then ask the channel.", at=facts.ends_at))
    return Action("nothing", made("Nothing is left to do."))


def _is_broken(facts: Facts) -> bool:
    return facts.paid_at is not None and (_bill_disagrees(facts) or _bill_lacks_it(facts))


def _asking(facts: Facts) -> Action:
    if facts.can_ask:
        return Action("ask", made("Ask the channel now."))
    return Action("load_bill", made(
        "Load the bill of {day}: it says whether this was paid.", day=facts.bill_day
    ))


def _about_money(facts: Facts) -> Action:
    if facts.twin and not facts.open_refunds:
        return Action("refund", made("If the buyer meant to pay once, refund one of the two."))
    if facts.open_refunds:
        return Action("wait", made("Wait for the refund that is asked for."))
    if facts.failed_fen > facts.refunded_fen:
        return Action("refund", made("If the failed refund is still owed, make it again."))
    if facts.is_late:
        return Action("refund", made("Deliver the goods or refund it: the order had ended."))
    if facts.billed_on is None:
        return Action("nothing", made(
            "Nothing now; the bill of {day} will prove it.", day=facts.bill_day
        ))
    return Action("nothing", made("Nothing is left to do."))


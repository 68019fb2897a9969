"""What support may tell a customer about one trade, ready to copy, in Chinese and English. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.verdict import Clause, Facts, Verdict, made
from dashboard.wording import speaker
from dashboard.wording.trades import Teller
from loaders.channels import CHANNELS

ENOUGH_REFUNDS = 100
"""From so many own refunds on their 95th percentile is worth telling (as the latency metric holds)."""
UNKNOWN_RANGE = "How long it takes is up to the payment company."


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long refunds of a channel took so far: `p95_s` of `count`, None if they are too few."""

    channel: str
    count: int = 0
    p50_s: float | None = None
    p95_s: float | None = None

    @property
    def is_ours(self) -> bool:
        """True if our own refunds are enough to tell."""
        return self.count >= ENOUGH_REFUNDS and isinstance(self.p95_s, float)


def answers(
    verdict: Verdict, facts: Facts, expect: Callable[[], Expectation], timezone: str
) -> dict[str, str]:
    """The answer by language; `expect` is asked only if money goes back."""
    clauses = [*_told(verdict, facts), *_when(facts, expect)]
    found = {}
    for language in ("zh", "en"):
        teller = Teller(speaker(language), language, timezone)
        told = [teller.clause(clause, facts.now) for clause in clauses]
        found[language] = ("" if language == "zh" else " ").join(told)
    return found


_UNPAID = {
    "waiting": "We have not received a payment for your order {order_no} ({all_fen}) yet.",
    "closed": "Your order {order_no} ({all_fen}) was closed without a payment; no money was taken.",
    "unpaid": "No payment was made for your order {order_no} ({all_fen}); no money was taken.",
}
CHECKING = (
    "We are checking with the payment company whether your order {order_no} ({all_fen}) was paid."
    " Please do not pay again until we tell you."
)


def _told(verdict: Verdict, facts: Facts) -> list[Clause]:
    values = {"order_no": facts.order_no, "all_fen": facts.amount_fen}
    if facts.paid_at is None:
        return [made(_UNPAID.get(verdict.state, CHECKING), **values)]
    told = [made("We received your payment of {all_fen} for order {order_no} on {at}.", **values,
                 at=facts.paid_at)]
    if facts.refunded_fen and facts.refunded_at:
        told.append(made("On {at} {part_fen} were sent back to the account you paid from.",
                         part_fen=facts.refunded_fen, at=facts.refunded_at))
    elif facts.refunded_fen:
        told.append(made("{part_fen} were sent back to the account you paid from.",
                         part_fen=facts.refunded_fen))
    return told + [
        made(
            "A refund of {part_fen} could not reach the account you paid from; we are seeing to it."
            if item.way == "stuck" else "A refund of {part_fen} is being worked on.",
            part_fen=item.amount_fen,
        )
        for item in facts.open_refunds
    ]


def _when(facts: Facts, expect: Callable[[], Expectation]) -> list[Clause]:
    """When the money arrives: from our own refunds where they are enough, and the channel's word.

    Of one that could not reach the buyer nobody knows.
    """
    if not facts.refunded_fen and all(item.way == "stuck" for item in facts.open_refunds):
        return []
    published, expectation = made(_published(facts.channel)), expect()
    if not expectation.is_ours:
        return [published]
    ours = made("The payment company carried out 95 % of our refunds within {span_s}.",
                span_s=expectation.p95_s)
    return [ours, published]


def _published(channel: str) -> str:
    """What can be said of how long a refund takes while our own are too few to tell."""
    known = CHANNELS.get(channel)
    return known.refund_wait if known and known.refund_wait else UNKNOWN_RANGE


def templates() -> set[str]:
    """Every sentence that is not written where it is used."""
    return {*_UNPAID.values(), CHECKING, UNKNOWN_RANGE, *map(_published, CHANNELS)}

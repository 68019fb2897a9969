"""What may be refunded: the shop's rules, the channel's, and what was paid and given back already."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from dashboard import listings
from dashboard.identity.rights import Person
from dashboard.operations.refund_records import Refund, Standing
from loaders.channels import CHANNELS
from loaders.errors import MdashError, RefusedInput
from loaders.privacy import mask_cards
from loaders.records import RefundRules
from loaders.settings import Refunding

if TYPE_CHECKING:
    from loaders.store.reader import Reader

_MORE = 1.05
SPACING = {
    channel.name: timedelta(seconds=channel.refund_rules.spacing_s) * _MORE
    for channel in CHANNELS.values()
}
"""Between two refunds of one order: what the channel asks for, and a little more."""
_LONGEST_REPEAT = timedelta(seconds=3.2)
"""What lies at most between two messages of one and the same refund."""
LONGEST_REASON = 256
_YUAN = re.compile(r"[0-9]{1,11}(\.[0-9]{1,2})?", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Order:
    """A paid order, and its refunds of bills and notifications: fen by number.

    `refunds` are proven; `on_their_way` are accepted, or stuck on the way to the buyer (D13), and
    maps to the fen and to when that was said.
    """

    channel: str
    order_no: str
    trade_no: str | None
    store: str | None
    amount_fen: int
    paid_at: datetime | None
    refunds: Mapping[str, int] = field(default_factory=dict)
    on_their_way: Mapping[str, tuple[int, datetime | None]] = field(default_factory=dict)
    cancelling_fen: int = 0
    """What a cancellation of unknown outcome may yet give back."""


class Books(Protocol):
    """What was loaded of orders."""

    def order(self, channel: str, order_no: str) -> Order | None:
        """An order as bills, notifications and queries tell of it."""

    def find(self, identifier: str) -> list[tuple[str, str]]:
        """Channel and number of the orders with this id of any kind."""


class LakeBooks:
    """Orders as the store has them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def order(self, channel: str, order_no: str) -> Order | None:
        """An order, paid or not; None for one nobody told of."""
        days = [] if self._reader.is_empty else self._reader.home_days(order_no)
        if not days:
            return None
        key = {"days": days, "channel": channel, "order_no": order_no}
        row = self._reader.one(_ORDER, key)
        if not row or row["amount_fen"] is None:
            return None
        back = self._reader.rows(_REFUNDS, key)
        return Order(
            **row,
            refunds={item["refund_no"]: item["fen"] for item in back if item["is_proven"]},
            on_their_way={
                item["refund_no"]: (item["fen"], item["said_at"])
                for item in back if not item["is_proven"]
            },
        )

    def find(self, identifier: str) -> list[tuple[str, str]]:
        """Channel and number of the orders with this id of any kind."""
        if self._reader.is_empty:
            return []
        found = listings.find(self._reader, [identifier], 2)
        return [(row["channel"], row["order_no"]) for row in found]


_ORDER = """
select channel, order_no, trade_no, store, amount_fen, paid_at
from lake.trade
where
    channel = $channel and order_no = $order_no
    and home_day between list_min($days) and list_max($days)
"""
_REFUNDS = """
select
    refund_no,
    coalesce(state, 'done') = 'done' as is_proven,
    sum(coalesce(amount_fen, asked_fen, 0))::bigint as fen,
    max(accepted_at) as said_at
from lake.refund
where
    channel = $channel and order_no = $order_no
    and home_day between list_min($days) and list_max($days)
    and coalesce(state, 'done') <> 'closed'
group by all
"""


def fen_of_text(text: str) -> int:
    """Whole fen of plain decimal yuan. Raises RefusedInput for anything else, and for nothing."""
    if not _YUAN.fullmatch(text):
        raise RefusedInput("The amount must be plain yuan, like 12.34.")
    return checked_amount(int(Decimal(text).scaleb(2)))


def checked_amount(amount_fen: int) -> int:
    """An amount that can be given back at all. Raises RefusedInput."""
    if amount_fen <= 0:
        raise RefusedInput("The amount must be above zero.")
    return amount_fen


def checked_number(refund_no: str) -> str:
    """A refund's number as channels take it. Raises RefusedInput."""
    if not _NUMBER.fullmatch(refund_no):
        raise RefusedInput(
            "A refund's number has at most 64 letters, digits, _ and -, and nothing else."
        )
    return refund_no


def checked_reason(reason: str) -> str:
    """A reason as channels take it, without card numbers. Raises RefusedInput."""
    text = mask_cards(" ".join(reason.split()))
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise RefusedInput(
            "A reason is needed: plain text of at most {longest} characters.",
            longest=LONGEST_REASON,
        )
    return text


def channel_reason(channel: str, reason: str) -> str:
    """As much of a reason as the channel takes; the ledger keeps all of it."""
    longest = refund_rules(channel).reason_bytes
    return reason.encode()[:longest].decode(errors="ignore").rstrip()


def refund_rules(channel: str) -> RefundRules:
    """What a channel allows of refunds."""
    known = CHANNELS.get(channel)
    return known.refund_rules if known else RefundRules()


def spacing(channel: str) -> timedelta:
    """What lies between two refunds of one order."""
    return SPACING.get(channel, max(SPACING.values()))


def next_at(
    channel: str, refunds: Sequence[Refund], at: datetime, own: str | None = None
) -> datetime | None:
    """The earliest instant for the next message about a refund of an order, if there was one.

    It counts from the end of the last one; one that is under way ends at this instant at best. The
    refund `own` is repeated under its number, and is no second refund.
    """
    apart = spacing(channel)
    marks = [
        (at if refund.state == "submitting" and refund.lease_until and refund.lease_until > at
         else refund.sent_at)
        + (min(apart, _LONGEST_REPEAT) if refund.refund_no == own else apart)
        for refund in refunds if refund.sent_at is not None
    ]
    return max(marks, default=None)


def totals(order: Order, refunds: Sequence[Refund]) -> tuple[int, int]:
    """Fen proven to be refunded, and fen set aside beside that; no refund is counted twice."""
    proven, aside = dict(order.refunds), order.cancelling_fen
    for refund in refunds:
        if refund.state == "refused":
            continue
        if refund.state == "done" or refund.refund_no in proven:
            proven[refund.refund_no] = max(refund.amount_fen, proven.get(refund.refund_no, 0))
        else:
            aside += refund.amount_fen
    settled = {*proven, *(item.refund_no for item in refunds if _is_last_word(item, order))}
    aside += sum(fen for number, (fen, _) in order.on_their_way.items() if number not in settled)
    return sum(proven.values()), aside


def _is_last_word(refund: Refund, order: Order) -> bool:
    """True unless the ledger knew of no such refund when the channel said that it is on its way."""
    said_at = order.on_their_way.get(refund.refund_no, (0, None))[1]
    return refund.state != "refused" or said_at is None or refund.updated_at > said_at


def unapproved(refunds: Sequence[Refund]) -> int:
    """Fen given back, or on their way, by one person alone; what waits for approval is neither."""
    return sum(
        item.amount_fen for item in refunds
        if item.approved_by is None and item.state not in ("refused", "awaiting_approval")
    )


def least_total(refunds: Sequence[Refund], refund: Refund) -> int:
    """The least that can be refunded of an order, by our own proof, once this refund is done."""
    others = (item for item in refunds if item.refund_no != refund.refund_no)
    return refund.amount_fen + sum(item.amount_fen for item in others if item.state == "done")


def standing(
    rules: Refunding, person: Person, order: Order, refunds: Sequence[Refund], at: datetime
) -> Standing:
    """What may be refunded of an order by a person at an instant."""
    refunded, aside = totals(order, refunds)
    remaining = max(order.amount_fen - refunded - aside, 0) if order.paid_at else 0
    most = remaining if rules.max_fen is None else min(remaining, rules.max_fen)
    limits = refund_rules(order.channel)
    window = timedelta(days=min(rules.window_days, limits.window_days))
    ends = order.paid_at + window if order.paid_at else None
    soonest = next_at(order.channel, refunds, at)
    bound = approval_above(rules, person)
    own = {item.refund_no for item in refunds if item.state != "refused"}
    count = len({*order.refunds, *order.on_their_way} | own)
    allowed = limits.most_refunds
    return Standing(
        amount_fen=order.amount_fen,
        paid_fen=order.amount_fen if order.paid_at else 0,
        refunded_fen=refunded,
        set_aside_fen=aside,
        remaining_fen=remaining,
        most_fen=most,
        approval_above_fen=bound,
        unapproved_most_fen=None if bound is None else max(bound - unapproved(refunds), 0),
        window_ends_at=ends,
        next_at=soonest if soonest and soonest > at else None,
        count=count,
        count_left=None if allowed is None else max(allowed - count, 0),
        why_not=_why_not(order, remaining, ends, at, allowed is not None and count >= allowed),
    )


def approval_above(rules: Refunding, person: Person) -> int | None:
    """Above this a second person approves: the shop's bound or the person's own, the lower one."""
    bounds = [
        bound for bound in (rules.approval_above_fen, person.role.refund_limit_fen)
        if bound is not None
    ]
    return min(bounds, default=None)


def _why_not(
    order: Order, remaining_fen: int, ends_at: datetime | None, at: datetime, is_full: bool
) -> MdashError | None:
    if order.paid_at is None or ends_at is None:
        return RefusedInput("This order is not known as paid. Ask the channel first (mdash query).")
    if at > ends_at:
        return RefusedInput("The time in which this order can be refunded is over.")
    if remaining_fen <= 0:
        return RefusedInput("Nothing is left to refund: all of it is refunded or set aside.")
    if is_full:
        return RefusedInput("The channel takes no further refund of this order.")
    return None


def check(found: Standing, rules: Refunding, amount_fen: int) -> None:
    """Refuse an amount that does not stand. Raises RefusedInput."""
    if found.why_not is not None:
        raise found.why_not
    check_single(rules, amount_fen)
    if amount_fen > found.remaining_fen:
        raise RefusedInput(
            "Only {left} yuan are left to refund.", left=yuan(found.remaining_fen)
        )


def check_single(rules: Refunding, amount_fen: int) -> None:
    """Refuse an amount above what a single refund may be. Raises RefusedInput."""
    if rules.max_fen is not None and amount_fen > rules.max_fen:
        raise RefusedInput(
            "A single refund may be at most {most} yuan.", most=yuan(rules.max_fen)
        )


def yuan(amount_fen: int) -> str:
    """Fen as people write yuan."""
    return str(Decimal(amount_fen).scaleb(-2).quantize(Decimal("0.01")))

"""The refund desk of one person: what the refund screens ask for, in rows and whole fen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from dashboard.identity.rights import Person
from dashboard.operations import batch as batches
from dashboard.operations import cancel as cancelling
from dashboard.operations import double_payments
from dashboard.operations.approving import check_approver
from dashboard.operations.batch import Batch, BatchRow
from dashboard.operations.cancel import Cancellation
from dashboard.operations.double_payments import DoublePayment
from dashboard.operations.ledger import now
from dashboard.operations.policy import fen_of_text
from dashboard.operations.refunds import Refund, Refunds, Standing, State
from dashboard.wording import translate
from loaders.errors import ConfigurationError, Forbidden, MdashError, RefusedInput
from loaders.store.reader import Row

MOVING = frozenset({"reserved", "submitting"})
"""States that change by themselves within seconds."""
OPEN = frozenset({*MOVING, "awaiting_approval", "unknown"})
"""States in which a refund is neither made nor given up."""
_PLAIN_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_YUAN_MARKS = str.maketrans("０１２３４５６７８９．。", "0123456789..", "¥￥元,， ")


class RefundDesk:
    """The refunds of one home, as one person may see and make them."""

    def __init__(self, refunds: Refunds, acting: Callable[[], Person]) -> None:
        self._refunds, self._acting = refunds, acting

    def standing(self, trade: Mapping[str, Any]) -> Standing:
        """What may be refunded of a trade now, and why not: by the rules, or by this person."""
        person = self._acting()
        found = self._refunds.standing(person, trade["channel"], trade["order_no"])
        try:
            person.demand("refund", trade["store"], any_store=False)
            self._refunds.check_channel(trade["channel"])
        except (Forbidden, ConfigurationError) as error:
            return replace(found, why_not=found.why_not or error)
        return found

    def of_trade(self, channel: str, order_no: str) -> list[Refund]:
        """A trade's refunds, newest first."""
        return self._refunds.refunds(channel=channel, order_no=order_no)

    def again(self, seen: Sequence[Refund]) -> list[Refund]:
        """Refunds as they stand now; those whose cancel window is over are sent first."""
        if any(is_due(refund) for refund in seen):
            self._refunds.send_due()
        return [self._refunds.one(refund.refund_no) for refund in seen]

    def one(self, refund_no: str) -> Refund:
        """One refund as it stands. Raises RefusedInput."""
        return self._refunds.one(refund_no)

    def next_number(self, trade: Mapping[str, Any], made: Sequence[Refund]) -> str:
        """The number of a trade's next refund.

        Every tab and every person who opens the form before that refund is made gets the same
        number, so that what they send is the same refund.
        """
        channel, order_no = str(trade["channel"]), str(trade["order_no"])
        known = {refund.refund_no for refund in made}
        known |= {row["refund_no"] for row in trade.get("refunds") or ()}
        count = len(known) + 1
        while (number := _numbered(channel, order_no, count)) in known:
            count += 1
        return number

    def reason(self, usual: str, words: str) -> str:
        """A usual reason in the shop's language, as the buyer may read it, and somebody's own words."""
        told = translate(self._refunds.settings.shop.language, usual)
        return " · ".join(filter(None, (told, " ".join(words.split()))))

    def request(
        self, channel: str, order_no: str, amount_fen: int, reason: str, number: str
    ) -> Refund:
        """Ask for a refund under a number that makes it the same one however often it is sent."""
        return self._refunds.request(
            self._acting(), channel, order_no, amount_fen, reason, refund_no=number,
            wait_s=self._refunds.settings.refunds.cancel_window_s,
        )

    def approve(self, refund_no: str, seen: str) -> Refund:
        """Approve exactly the request that was looked at."""
        return self._refunds.approve(self._acting(), refund_no, seen=seen)

    def decline(self, refund_no: str, reason: str) -> Refund:
        """Decline a request. Raises RefusedInput without a reason."""
        if not reason.strip():
            raise RefusedInput("Say why the refund is declined: who asked for it will read it.")
        return self._refunds.decline(self._acting(), refund_no, reason.strip())

    def take_back(self, refund_no: str) -> Refund:
        """Take a request back before anything was sent."""
        return self._refunds.withdraw(self._acting(), refund_no)

    def ask_again(self, refund_no: str) -> Refund:
        """Ask the channel now what became of a refund."""
        return self._refunds.ask_again(self._acting(), refund_no)

    def why_not_approve(self, refund: Refund) -> MdashError | None:
        """Why this person cannot approve a request, said before anything is clicked."""
        return self._refunds.why_not_approve(self._acting(), refund)

    def why_not_decline(self, refund: Refund) -> MdashError | None:
        """Why this person cannot decline a request, said before anything is clicked."""
        try:
            check_approver(self._acting(), refund)
        except Forbidden as error:
            return error
        return None

    def preview(self, content: bytes, *, takes_repeats: bool = False) -> Batch:
        """What a file of refunds would do, line by line. Raises RefusedInput."""
        return batches.preview(
            self._refunds, self._acting(), content, takes_repeats=takes_repeats
        )

    def run(self, batch: Batch, name: str) -> Iterator[BatchRow]:
        """Ask for every refund of a file that may be made, line by line."""
        return batches.run(self._refunds, self._acting, batch, name)

    def latest(self, done: Sequence[BatchRow]) -> list[BatchRow]:
        """The lines of a file with their refunds as they stand now."""
        return [
            replace(row, refund=self.one(row.refund.refund_no)) if row.refund else row for row in done
        ]

    def double_payments(self, first_day: date, last_day: date) -> list[DoublePayment]:
        """Payments that look like a second one for the same purchase."""
        return double_payments.find(
            self._refunds.reader, self._refunds.ledger, first_day, last_day
        )

    def why_not_cancel(self, channel: str, order_no: str) -> MdashError | None:
        """Why this person cannot cancel a payment, said before anything is clicked."""
        return cancelling.why_not(self._refunds, self._acting(), channel, order_no)

    def cancellations(self, channel: str, order_no: str) -> list[Cancellation]:
        """What was tried to cancel a payment, newest first."""
        return cancelling.of_order(self._refunds, channel, order_no)

    def cancel(self, channel: str, order_no: str) -> Cancellation:
        """Cancel a payment of which nobody knows whether it was made."""
        return cancelling.cancel(self._refunds, self._acting(), channel, order_no)

    def digest(self, refund: Refund) -> str:
        """What an approval of this request is bound to."""
        return self._refunds.digest(refund)

    def refunds(
        self, *, states: Iterable[State] | None = None, person: str | None = None,
        days: int | None = None, limit: int | None = 1_000,
    ) -> list[Refund]:
        """Refunds newest first, narrowed by state, by who asked, and to the last days."""
        since = now() - timedelta(days=days) if days else None
        return self._refunds.refunds(
            states=states, requested_by=person, since=since, limit=limit
        )

    def requesters(self) -> list[str]:
        """Who asked for refunds so far, by name."""
        return self._refunds.requesters()

    def waiting(self) -> list[Refund]:
        """Requests that a second person must approve, the oldest first."""
        return list(reversed(self._refunds.refunds(states=["awaiting_approval"])))

    def unknown(self) -> list[Refund]:
        """Refunds of which the channel's word is outstanding, the oldest first."""
        return list(reversed(self._refunds.refunds(states=["unknown"])))


def _numbered(channel: str, order_no: str, count: int) -> str:
    """`M1-alipay-R2`; an order number too long or odd for that stands in it as a hash.

    Numbers are one for all channels, and two channels may have an order of the same number.
    """
    plain = f"{order_no}-{channel}-R{count}"
    if _PLAIN_NUMBER.fullmatch(plain):
        return plain
    return f"R{sha256(f'{channel}|{order_no}'.encode()).hexdigest()[:40]}-R{count}"


def is_due(refund: Refund) -> bool:
    """True if nobody can take the refund back any longer, and it was not sent yet."""
    return refund.state == "reserved" and (refund.sends_at is None or refund.sends_at <= now())


def left_s(until: datetime | None) -> int:
    """Whole seconds until an instant; 0 if it has passed or there is none."""
    return max(0, round((until - now()).total_seconds())) if until else 0


def fen_of_typed(text: str) -> int:
    """Whole fen of an amount as people type it: 12.5, ¥12.50, １２．５. Raises RefusedInput."""
    return fen_of_text(text.translate(_YUAN_MARKS))


def typed(fen: int) -> str:
    """Whole fen as an amount in plain yuan, to stand in a box."""
    return f"{fen // 100}.{fen % 100:02d}"


def why(error: MdashError | None, say: Callable[..., str]) -> str | None:
    """An error's sentence in the reader's language."""
    return say(error.template, **error.values) if error else None


def rows_of(refunds: Iterable[Refund], say: Callable[..., str]) -> list[Row]:
    """Refunds as the rows of a table."""
    return [
        {
            "order_no": refund.order_no, "amount_fen": refund.amount_fen,
            "refund_state": f"refund_{refund.state}", "reason_given": refund.reason,
            "requested_by": refund.requested_by, "approved_by": refund.approved_by,
            "requested_at": refund.requested_at, "age_s": age_s(refund.requested_at),
            "updated_at": refund.updated_at, "asked_at": refund.asked_at, "asks": refund.asks,
            "next_at": refund.due_at,
            "channel": refund.channel, "trade_no": refund.trade_no, "store": refund.store,
            "refund_no": refund.refund_no, "batch": refund.batch, "why": why(refund.why, say),
        }
        for refund in refunds
    ]


def batch_rows(rows: Iterable[BatchRow], say: Callable[..., str]) -> list[Row]:
    """Lines of a file as the rows of a table; those that cannot be made first say why."""
    return [
        {
            "line": row.line, "identifier": row.identifier, "order_no": row.order_no,
            "amount_fen": row.amount_fen, "reason_given": row.reason,
            "refund_state": f"refund_{row.refund.state}" if row.refund else (
                "refund_impossible" if row.why else "refund_possible"
            ),
            "refund_no": row.refund.refund_no if row.refund else None,
            "why_not": why(row.why, say),
            "why": why(row.refund.why if row.refund else row.why, say),
        }
        for row in rows
    ]


def twice_rows(found: Iterable[DoublePayment], say: Callable[..., str]) -> list[Row]:
    """Double payments as the rows of a table."""
    return [
        {
            "order_no": item.order_no, "amount_fen": item.amount_fen, "paid_at": item.paid_at,
            "twin_order_no": item.twin_order_no, "twin_paid_at": item.twin_paid_at,
            "apart_s": (item.paid_at - item.twin_paid_at).total_seconds(), "buyer": item.buyer,
            "why": why(item.why, say),
        }
        for item in found
    ]


def share(done: int, total: int) -> float:
    """How much of something is done, from 0 to 1."""
    return min(1.0, done / total) if total else 1.0


def age_s(at: datetime) -> int:
    """Whole seconds since an instant, at least one."""
    return max(1, round((now() - at).total_seconds()))

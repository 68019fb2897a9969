"""Refunds from request to proof: the only way by which the program gives money back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection

from dashboard.identity.rights import SYSTEM, Person
from dashboard.operations import approving, audit, cancelling, policy, refund_rows
from dashboard.operations.claims import is_gone
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.policy import Books, LakeBooks, Order
from dashboard.operations.refund_records import OPEN, Refund, Standing, State, digest_of
from dashboard.operations.refund_tables import REFUNDS
from dashboard.operations.resolve import PATIENCE_S, Ask, Carrier
from loaders import remote
from loaders.errors import Forbidden, RefusedInput, StoreBusy
from loaders.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.store.reader import Reader

__all__ = ["Ask", "Refund", "Refunds", "Standing", "State", "proven_refunds"]
SIDE_BY_SIDE = 4
"""Refunds of unknown outcome that are asked about at the same time."""


class Refunds:
    """All refunds of one home's ledger. Safe to share among threads and processes."""

    def __init__(
        self, settings: Settings, reader: Reader, ledger: Ledger, ask: Ask | None = None,
        books: Books | None = None,
    ) -> None:
        self.settings, self.reader, self.ledger = settings, reader, ledger
        self.books = books or LakeBooks(reader)
        self._is_given = ask is not None
        self.ask: Ask = ask or remote.shared(settings).ask
        self._carrier = Carrier(settings, ledger, self.ask)

    def standing(self, person: Person, channel: str, order_no: str) -> Standing:
        """What may be refunded of an order by this person. Raises RefusedInput for no such order."""
        order = self._order(channel, order_no)
        with self.ledger.reading() as connection:
            return self._standing(connection, person, order, now())

    def _standing(
        self, connection: Connection, person: Person, order: Order, at: datetime
    ) -> Standing:
        known = refund_rows.of_order(connection, order.channel, order.order_no)
        order = cancelling.counted(connection, order)
        return policy.standing(self.settings.refunds, person, order, known, at)

    def request(
        self, person: Person, channel: str, order_no: str, amount_fen: int, reason: str, *,
        refund_no: str | None = None, wait_s: float = 0, batch: str | None = None,
    ) -> Refund:
        """Ask for a refund; with `wait_s` it can be withdrawn for so long, otherwise it is sent now.

        The same number again is the same refund. Raises Forbidden or RefusedInput, and then
        nothing was recorded nor sent.
        """
        subject = f"{channel}/{order_no}"
        with self._refusals(person, subject, amount_fen=amount_fen, refund_no=refund_no):
            person.demand("refund")
            order = self._order(channel, order_no)
            person.demand("refund", order.store, any_store=False)
            wished = self._wished(person, order, amount_fen, reason, refund_no, batch)
            refund, is_new = self._reserve(person, order, wished, wait_s)
        if is_new and refund.state == "submitting":
            return self._carrier.send(refund, person.name)
        return refund

    def _wished(
        self, person: Person, order: Order, amount_fen: int, reason: str, refund_no: str | None,
        batch: str | None,
    ) -> Refund:
        """The refund as it is asked for. Raises RefusedInput, ConfigurationError."""
        at = now()
        number = f"R{at:%Y%m%d%H%M%S}{token_hex(5)}" if refund_no is None else refund_no
        policy.checked_number(number)
        policy.checked_amount(amount_fen)
        self.check_channel(order.channel)
        made = Refund(
            refund_no=number, channel=order.channel, order_no=order.order_no, trade_no=order.trade_no,
            amount_fen=amount_fen, reason=policy.checked_reason(reason), state="reserved",
            requested_by=person.name, approved_by=None, store=order.store, requested_at=at,
            updated_at=at, batch=batch, paid_fen=order.amount_fen,
        )
        return replace(made, digest=digest_of(made))

    def check_channel(self, channel: str) -> None:
        """Raises ConfigurationError for a channel that cannot be asked, before anything is recorded."""
        if not self._is_given:
            remote.shared(self.settings).keys(channel)

    def _order(self, channel: str, order_no: str) -> Order:
        order = self.books.order(channel, order_no)
        if order is None:
            raise RefusedInput("There is no trade with this id.")
        return order

    def _reserve(
        self, person: Person, order: Order, wished: Refund, wait_s: float
    ) -> tuple[Refund, bool]:
        """The number, the limits, the amount set aside and the trail's row, all or nothing."""
        with self.ledger.transaction() as connection:
            known = refund_rows.find(connection, wished.refund_no)
            if known is not None:
                return _same(known, wished), False
            if wished.refund_no in order.refunds or wished.refund_no in order.on_their_way:
                raise RefusedInput("A refund under this number was made already, outside of mdash.")
            at = now()
            found = self._standing(connection, person, order, at)
            policy.check(found, self.settings.refunds, wished.amount_fen)
            refund = self._placed(wished, found, wait_s, at)
            refund_rows.add(connection, refund)
            self._tell(
                connection, person, "refund_requested", refund, state=refund.state,
                digest=refund.digest, batch=refund.batch,
            )
        return refund, True

    def _placed(self, wished: Refund, found: Standing, wait_s: float, at: datetime) -> Refund:
        """The refund in its first state."""
        alone = found.unapproved_most_fen
        if alone is not None and wished.amount_fen > alone:
            return replace(wished, state="awaiting_approval")
        if wait_s > 0:
            ends = max(at + timedelta(seconds=wait_s), found.next_at or at)
            return replace(wished, state="reserved", sends_at=ends)
        if found.next_at and (found.next_at - at).total_seconds() > PATIENCE_S:
            raise RefusedInput(
                "Another refund of this order was sent a moment ago. Try again in {seconds} seconds.",
                seconds=round((found.next_at - at).total_seconds()),
            )
        holder, until = self._carrier.claim(wished.channel, at)
        return replace(wished, state="submitting", holder=holder, lease_until=until)

    def approve(
        self, person: Person, refund_no: str, seen: str | None = None, *, trusts_login: bool = False
    ) -> Refund:
        """Approve as the second person, and send. `seen`: the digest of what was looked at.

        An account that who asked made or changed of late does not count as a second person; where
        the machine's own login is trusted instead (`trusts_login`), the trail names it.
        """
        with self._refusals(person, refund_no):
            asked = self.one(refund_no)
            order = self._order(asked.channel, asked.order_no)
            self.check_channel(asked.channel)
            with self.ledger.transaction() as connection:
                refund = refund_rows.one(connection, refund_no)
                approving.check_approver(person, refund)
                if refund.state != "awaiting_approval":
                    return _approved_before(refund, person)
                if digest_of(refund) != refund.digest or seen not in (None, refund.digest):
                    raise RefusedInput("This refund is not the one that was looked at. Look again.")
                if not trusts_login:
                    approving.check_tie(connection, person, refund, now())
                claimed = self._approved(connection, person, order, refund)
        return self._carrier.send(claimed, person.name) if claimed else self.one(refund_no)

    def _approved(
        self, connection: Connection, person: Person, order: Order, refund: Refund
    ) -> Refund | None:
        """The refund, claimed with its approval and the trail's row in one transaction."""
        at = now()
        approving.check_request(connection, self.settings.refunds, refund)
        self._check_again(connection, person, order, at)
        holder, until = self._carrier.claim(refund.channel, at)
        tied = approving.tie(connection, person, refund, at)
        noted = {} if tied is None else {"account_from_requester": tied}
        self._tell(connection, person, "refund_approved", refund, digest=refund.digest, **noted)
        return refund_rows.claimed(connection, refund, holder, until, at, approved_by=person.name)

    def _check_again(
        self, connection: Connection, person: Person, order: Order, at: datetime
    ) -> None:
        """The rules once more, at the moment of approval; the amount itself is set aside already."""
        found = self._standing(connection, person, order, at)
        if found.window_ends_at is None or at > found.window_ends_at:
            raise RefusedInput("The time in which this order can be refunded is over.")
        if found.refunded_fen + found.set_aside_fen > found.paid_fen:
            raise RefusedInput("More was refunded of this order meanwhile: nothing is left for this.")

    def why_not_approve(self, person: Person, refund: Refund) -> RefusedInput | None:
        """Why this person may not approve this refund, before anything is clicked."""
        with self.ledger.reading() as connection:
            return approving.why_not(connection, self.settings.refunds, person, refund)

    def decline(self, person: Person, refund_no: str, reason: str) -> Refund:
        """Refuse approval; the amount is free again."""
        with self._refusals(person, refund_no), self.ledger.transaction() as connection:
            refund = refund_rows.one(connection, refund_no)
            approving.check_approver(person, refund)
            why = RefusedInput(
                "{name} declined it: {reason}", name=person.name, reason=policy.checked_reason(reason)
            )
            return self._released(connection, person, refund, "refund_declined", why)

    def withdraw(self, person: Person, refund_no: str) -> Refund:
        """Take a request back while it waits for approval or in its cancel window."""
        with self._refusals(person, refund_no), self.ledger.transaction() as connection:
            refund = refund_rows.one(connection, refund_no)
            person.demand("refund", refund.store, any_store=False)
            if person.name != refund.requested_by and not person.may("approve"):
                raise Forbidden("Only who asked for a refund, or an approver, takes it back.")
            why = RefusedInput("{name} withdrew it.", name=person.name)
            return self._released(connection, person, refund, "refund_withdrawn", why)

    def _released(
        self, connection: Connection, person: Person, refund: Refund, action: str, why: RefusedInput
    ) -> Refund:
        """Refused before anything was sent."""
        is_unsent = refund.state in ("awaiting_approval", "reserved") and not refund.tries
        if action == "refund_declined":
            is_unsent = refund.state == "awaiting_approval"
        if not is_unsent:
            raise RefusedInput("It is too late: the refund was sent, or is settled.")
        refund_rows.change(connection, refund, state="refused", why=why, updated_at=now())
        self._tell(connection, person, action, refund)
        return refund_rows.one(connection, refund.refund_no)

    def send_due(self) -> list[Refund]:
        """Send what is reserved and whose cancel window is over."""
        at = now()
        due = [item for item in self.refunds(states=["reserved"]) if _is_due(item.sends_at, at)]
        return self._side_by_side(due, lambda item: self._taken_up(item, SYSTEM.name))

    def ask_again(self, person: Person, refund_no: str) -> Refund:
        """Ask the channel about one refund whose outcome is unknown, and repeat it if need be."""
        refund = self.one(refund_no)
        with self._refusals(person, refund_no):
            person.demand("refund", refund.store, any_store=False)
        return self._taken_up(refund, person.name) or self.one(refund_no)

    def resolve(
        self, *, everything: bool = False, is_stopping: Callable[[], bool] = lambda: False
    ) -> list[Refund]:
        """Ask about refunds whose outcome is unknown, those whose time has come or everything."""
        at = now()
        found = [
            item for item in self.refunds(states=OPEN)[::-1]
            if item.state != "unknown" or everything or _is_due(item.due_at, at)
        ]
        return self._side_by_side(
            found, lambda item: None if is_stopping() else self._taken_up(item, SYSTEM.name)
        )

    def _taken_up(self, refund: Refund, actor: str) -> Refund | None:
        """Carry on with an open refund, unless somebody does already or it is not its time."""
        at = now()
        if refund.state == "submitting" and not is_gone(refund.holder, refund.lease_until, at):
            return None
        if refund.state not in OPEN or (
            refund.state == "reserved" and not _is_due(refund.sends_at, at)
        ):
            return None
        is_on_bill = refund.state != "reserved" and self._is_on_bill(refund)
        holder, until = self._carrier.claim(refund.channel, at)
        with self.ledger.transaction() as connection:
            claimed = refund_rows.claimed(connection, refund, holder, until, at)
        if claimed is None:
            return None
        if is_on_bill:
            return self._carrier.prove(claimed, actor)
        carry = self._carrier.send if refund.state == "reserved" else self._carrier.settle
        return carry(claimed, actor)

    def _is_on_bill(self, refund: Refund) -> bool:
        """True if a bill or notification has this very refund; a store out of reach proves nothing."""
        try:
            order = self.books.order(refund.channel, refund.order_no)
        except StoreBusy:
            return False
        return order is not None and order.refunds.get(refund.refund_no) == refund.amount_fen

    def _side_by_side(
        self, found: Sequence[Refund], work: Callable[[Refund], Refund | None]
    ) -> list[Refund]:
        if len(found) < 2:
            return [item for item in map(work, found) if item]
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="refunds") as pool:
            return [item for item in pool.map(work, found) if item]

    def refunds(
        self, *, states: Iterable[State] | None = None, channel: str | None = None,
        order_no: str | None = None, requested_by: str | None = None,
        since: datetime | None = None, limit: int | None = None,
    ) -> list[Refund]:
        """Refunds, newest first; at most `limit` of those that meet every condition."""
        conditions: list[ColumnElement[bool]] = []
        if states is not None:
            conditions.append(REFUNDS.c.state.in_(tuple(states)))
        wanted = {"channel": channel, "order_no": order_no, "requested_by": requested_by}
        conditions += [REFUNDS.c[name] == value for name, value in wanted.items() if value is not None]
        if since is not None:
            conditions.append(REFUNDS.c.requested_at >= since)
        with self.ledger.reading() as connection:
            return refund_rows.chosen(connection, *conditions, limit=limit)

    def requesters(self) -> list[str]:
        """Who asked for refunds so far, by name."""
        with self.ledger.reading() as connection:
            return refund_rows.requesters(connection)

    def count_open(self) -> int:
        """How many refunds are neither proven nor waiting for a person."""
        with self.ledger.reading() as connection:
            return refund_rows.count(connection, OPEN)

    def one(self, refund_no: str) -> Refund:
        """One refund. Raises RefusedInput for a number nobody used."""
        with self.ledger.reading() as connection:
            return refund_rows.one(connection, refund_no)

    def digest(self, refund: Refund) -> str:
        """What an approval is bound to: a hash of the exact request."""
        return digest_of(refund)

    def proven(self, channel: str, order_no: str) -> dict[str, int]:
        """Fen of each proven refund of an order by number, from the ledger and what was loaded."""
        order = self.books.order(channel, order_no)
        loaded = order.refunds if order else {}
        return proven_refunds(loaded, self.refunds(channel=channel, order_no=order_no))

    @contextmanager
    def _refusals(self, person: Person, subject: str, **detail: Any) -> Iterator[None]:
        """What is refused here is in the trail as well."""
        try:
            yield
        except RefusedInput as error:
            action = "refused" if isinstance(error, Forbidden) else "refund_refused"
            audit.record(
                self.ledger, person.name, action, subject, why=error.template, **detail
            )
            raise

    def _tell(
        self, connection: Connection, person: Person, action: str, refund: Refund, **detail: Any
    ) -> None:
        refund_rows.told(self.ledger, connection, person.name, action, refund, **detail)


def _same(known: Refund, wished: Refund) -> Refund:
    asked = (wished.channel, wished.order_no, wished.amount_fen)
    if (known.channel, known.order_no, known.amount_fen) != asked:
        raise RefusedInput("This number belongs to a refund of another order or amount.")
    return known


def _approved_before(refund: Refund, person: Person) -> Refund:
    """The answer to a second click. Raises RefusedInput if somebody else decided."""
    if refund.approved_by != person.name:
        raise RefusedInput("This refund does not wait for approval any more.")
    return refund


def _is_due(at: datetime | None, present: datetime) -> bool:
    return at is None or at <= present


def proven_refunds(loaded: Mapping[str, int], recorded: Sequence[Refund]) -> dict[str, int]:
    """Fen by refund number: those of bills and notifications, and those done in the ledger."""
    found = dict(loaded)
    for refund in recorded:
        if refund.state == "done":
            found[refund.refund_no] = max(refund.amount_fen, found.get(refund.refund_no, 0))
    return found

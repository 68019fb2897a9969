"""Cancelling a payment whose outcome is unknown: it may give money back, so it is guarded like that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, Connection, insert, select, update

from dashboard.identity.rights import SYSTEM, Person
from dashboard.operations import audit, policy, refund_rows
from dashboard.operations.claims import is_gone, lease, new_holder
from dashboard.operations.ledger import now
from dashboard.operations.policy import Order
from dashboard.operations.refund_records import error_document, error_of
from dashboard.operations.refund_tables import CANCELLATIONS
from dashboard.operations.resolve import QUIET, ClaimLost, Clock
from loaders.channels import CHANNELS
from loaders.channels.protocol import Message
from loaders.errors import Forbidden, MdashError, NoAnswer, RefusedInput
from loaders.records import Answer, CloseState, TradeOutcome, trade_outcome

if TYPE_CHECKING:
    from dashboard.operations.refunds import Refunds

State = Literal["submitting", "done", "refused", "unknown"]
PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """One cancellation. `action` of a done one: `closed` unpaid, `refunded`, or there was `nothing`."""

    cancel_no: str
    channel: str
    order_no: str
    amount_fen: int
    state: State
    action: str | None
    requested_by: str
    requested_at: datetime
    updated_at: datetime
    tries: int = 0
    due_at: datetime | None = None
    why: MdashError | None = None
    holder: str | None = None
    lease_until: datetime | None = None


def cancel(refunds: Refunds, person: Person, channel: str, order_no: str) -> Cancellation:
    """Cancel a payment that is neither known as paid nor as ended. Raises Forbidden, RefusedInput.

    Asked for again, an open cancellation is carried on with and a done one is told.
    """
    try:
        order = refunds.books.order(channel, order_no)
        person.demand("refund", order.store if order else None, any_store=order is None)
        if order is None:
            raise RefusedInput("There is no trade with this id.")
        with refunds.ledger.transaction() as connection:
            found, is_ours = _claimed(refunds, connection, person, order)
    except RefusedInput as error:
        action = "refused" if isinstance(error, Forbidden) else "payment_cancelled"
        audit.record(refunds.ledger, person.name, action, f"{channel}/{order_no}",
                     state="refused", why=error.template)
        raise
    return _carried_out(refunds, found, person.name) if is_ours else found


def why_not(refunds: Refunds, person: Person, channel: str, order_no: str) -> MdashError | None:
    """Why this person cannot cancel a payment, before anything is clicked."""
    try:
        order = refunds.books.order(channel, order_no)
        person.demand("refund", order.store if order else None, any_store=order is None)
        if order is None:
            raise RefusedInput("There is no trade with this id.")
        with refunds.ledger.reading() as connection:
            _check(refunds, connection, person, order)
    except RefusedInput as error:
        return error
    return None


def of_order(refunds: Refunds, channel: str, order_no: str) -> list[Cancellation]:
    """An order's cancellations, newest first."""
    with refunds.ledger.reading() as connection:
        return _of_order(connection, channel, order_no)


def cancellations(refunds: Refunds, *states: State) -> list[Cancellation]:
    """Cancellations, newest first; of these states, if any are named."""
    wanted = [CANCELLATIONS.c.state.in_(states)] if states else []
    with refunds.ledger.reading() as connection:
        return _chosen(connection, *wanted)


def resolve(refunds: Refunds) -> list[Cancellation]:
    """Carry on with open cancellations whose time has come; the same order only, as often as needed."""
    done = []
    for item in cancellations(refunds, "submitting", "unknown"):
        with refunds.ledger.transaction() as connection:
            taken = _taken(refunds, connection, item)
        if taken is not None:
            done.append(_carried_out(refunds, taken, SYSTEM.name))
    return done


def _claimed(
    refunds: Refunds, connection: Connection, person: Person, order: Order
) -> tuple[Cancellation, bool]:
    """The order's cancellation, and whether this process has claimed it."""
    before = [
        item for item in _of_order(connection, order.channel, order.order_no)
        if item.state != "refused"
    ]
    if before:
        taken = _taken(refunds, connection, before[0], is_asked=True)
        return taken or before[0], taken is not None
    _check(refunds, connection, person, order)
    at = now()
    made = Cancellation(
        cancel_no=f"C{at:%Y%m%d%H%M%S}{token_hex(5)}", channel=order.channel,
        order_no=order.order_no, amount_fen=order.amount_fen, state="submitting", action=None,
        requested_by=person.name, requested_at=at, updated_at=at, holder=new_holder(),
        lease_until=at + lease(refunds.settings, order.channel),
    )
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    connection.execute(insert(CANCELLATIONS).values(fields))
    _tell(refunds, connection, person.name, made, state="submitting")
    return made, True


def _check(refunds: Refunds, connection: Connection, person: Person, order: Order) -> None:
    """The rules of a refund of the whole amount, which a cancellation may be. Raises RefusedInput."""
    rules, way = refunds.settings.refunds, _way(order.channel)
    bound = policy.approval_above(rules, person)
    if way is None:
        raise RefusedInput("Payments of this channel cannot be cancelled from here.")
    if order.paid_at is not None or order.refunds:
        raise RefusedInput("This payment is known: refund it instead of cancelling it.")
    if any(item.state != "refused" for item in
           refund_rows.of_order(connection, order.channel, order.order_no)):
        raise RefusedInput("A refund of this order was asked for already.")
    if way == "close":
        return
    if rules.max_fen is not None and order.amount_fen > rules.max_fen:
        raise RefusedInput("A single refund may be at most {most} yuan.",
                           most=policy.yuan(rules.max_fen))
    if bound is not None and order.amount_fen > bound:
        raise RefusedInput(
            "Cancelling may give {amount} yuan back, and above {most} yuan a second person decides."
            " Wait until the payment's outcome is known, then ask for a refund.",
            amount=policy.yuan(order.amount_fen), most=policy.yuan(bound),
        )


def _way(channel: str) -> str | None:
    """The call that ends a payment: cancelling, which may give money back, or else only closing."""
    known = CHANNELS.get(channel)
    offered = known.remote.CALLS if known and known.remote else {}
    return next((call for call in ("cancel", "close") if call in offered), None)


def _taken(
    refunds: Refunds, connection: Connection, item: Cancellation, *, is_asked: bool = False
) -> Cancellation | None:
    """An open cancellation claimed anew; None if it is settled, carried out, or not its time."""
    at = now()
    if item.state == "submitting" and not is_gone(item.holder, item.lease_until, at):
        return None
    if item.state not in ("submitting", "unknown") or (
        item.state == "unknown" and not is_asked and item.due_at is not None and item.due_at > at
    ):
        return None
    values = {"state": "submitting", "holder": new_holder(),
              "lease_until": at + lease(refunds.settings, item.channel)}
    return _one(connection, item.cancel_no) if _change(connection, item, **values) else None


def _carried_out(refunds: Refunds, item: Cancellation, actor: str) -> Cancellation:
    clock = Clock.of(refunds.settings, item.channel)
    try:
        values = _asked(refunds, item, clock)
    except ClaimLost:
        with refunds.ledger.reading() as connection:
            return _one(connection, item.cancel_no)
    except BaseException:
        _finish(refunds, item, actor, {"state": "unknown"})
        raise
    return _finish(refunds, item, actor, values)


def _asked(refunds: Refunds, item: Cancellation, clock: Clock) -> dict[str, Any]:
    """Ask once more how the trade stands; cancel it only if it is not known to be paid or ended."""

    def intent(_: Message) -> None:
        _write_intent(refunds, item)

    try:
        found = refunds.ask(
            item.channel, "query", order_no=item.order_no, amount_fen=item.amount_fen
        )
        known = _known(item, trade_outcome(found))
        if known is not None:
            return known
        if not clock.has_time_to_send:
            return {"state": "unknown", "why": found.why}
        answer = refunds.ask(
            item.channel, _way(item.channel) or "cancel", intent=intent, order_no=item.order_no
        )
    except ClaimLost:
        raise
    except MdashError as error:
        return {"state": "unknown" if item.tries else "refused", "why": error}
    return _judged(item, answer, trade_outcome(found))


def _known(item: Cancellation, outcome: TradeOutcome) -> dict[str, Any] | None:
    """What the trade's own state settles, before or after a first message."""
    if item.tries and outcome in ("closed", "refunded"):
        return {"state": "done", "action": outcome, "why": None}
    if not item.tries and outcome in ("paid", "closed", "refunded"):
        return {"state": "refused", "why": RefusedInput(
            "The channel knows how this payment ended: there is nothing to cancel."
        )}
    return None


def _judged(
    item: Cancellation, answer: Answer[CloseState], outcome: TradeOutcome
) -> dict[str, Any]:
    """A final error refuses a first message; a repeat only where the trade is still paid as it was."""
    if answer.is_known and answer.data is not None:
        return {"state": "done", "action": answer.data.action, "why": None}
    meant = answer.meaning.text if answer.meaning else None
    is_final = answer.is_known and answer.is_verified and not answer.is_success
    is_untouched = outcome == "paid" and now() - item.updated_at >= QUIET
    if is_final and meant and (item.tries == 0 or is_untouched):
        return {"state": "refused", "why": RefusedInput(meant)}
    why = answer.why or NoAnswer(meant or "The channel could not say what became of the call.")
    return {"state": "unknown", "why": why}


def _write_intent(refunds: Refunds, item: Cancellation) -> None:
    """It is written down that the message may have left, before it does. Raises ClaimLost."""
    with refunds.ledger.transaction() as connection:
        row = _one(connection, item.cancel_no)
        if row.holder != item.holder or is_gone(row.holder, row.lease_until, now()):
            raise ClaimLost("Another process carries this out.")
        _change(connection, row, tries=row.tries + 1, updated_at=now())


def _finish(
    refunds: Refunds, item: Cancellation, actor: str, values: dict[str, Any]
) -> Cancellation:
    at = now()
    with refunds.ledger.transaction() as connection:
        is_written = _change(
            connection, item, **values, updated_at=at, due_at=at + PAUSE, holder=None,
            lease_until=None,
        )
        row = _one(connection, item.cancel_no)
        if is_written:
            _tell(refunds, connection, actor, row, state=row.state, done=row.action)
    return row


def _tell(
    refunds: Refunds, connection: Connection, actor: str, item: Cancellation, **detail: Any
) -> None:
    audit.append(
        refunds.ledger, connection, actor, "payment_cancelled", item.cancel_no,
        channel=item.channel, order_no=item.order_no, amount_fen=item.amount_fen, **detail,
    )


def _of_order(connection: Connection, channel: str, order_no: str) -> list[Cancellation]:
    return _chosen(
        connection, CANCELLATIONS.c.channel == channel, CANCELLATIONS.c.order_no == order_no
    )


def _one(connection: Connection, cancel_no: str) -> Cancellation:
    return _chosen(connection, CANCELLATIONS.c.cancel_no == cancel_no)[0]


def _chosen(connection: Connection, *conditions: ColumnElement[bool]) -> list[Cancellation]:
    wanted = select(CANCELLATIONS).where(*conditions).order_by(CANCELLATIONS.c.requested_at.desc())
    return [
        Cancellation(**{**row, "why": error_of(row["why"])})
        for row in connection.execute(wanted).mappings()
    ]


def _change(connection: Connection, seen: Cancellation, **values: Any) -> bool:
    """Change it if it is still as it was seen."""
    column = CANCELLATIONS.c.holder
    is_same = column.is_(None) if seen.holder is None else column == seen.holder
    plain = {name: error_document(value) if isinstance(value, MdashError) else value
             for name, value in values.items()}
    done = connection.execute(
        update(CANCELLATIONS)
        .where(CANCELLATIONS.c.cancel_no == seen.cancel_no, CANCELLATIONS.c.state == seen.state,
               is_same)
        .values(plain)
    )
    return done.rowcount == 1

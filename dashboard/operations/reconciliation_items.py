"""The reconciliation's work queue: who looks after an item, what was found, and what was written off.

What people did is kept with the item's class and amount; where these change, the item is open again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select

from dashboard.identity.accounts import person_of
from dashboard.identity.rights import LOCAL, Person
from dashboard.operations import approving, audit
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.reconciliation_tables import RECONCILIATION_WORK
from loaders.errors import Forbidden, RefusedInput

State = Literal["open", "explained", "write_off_proposed", "written_off"]
MAX_NOTE = 500
MAX_OWNER = 80
_AT_ONCE = 500
_TOLD = ("item", "class", "amount_fen", "bill", "channel", "day", "order_no")


@dataclass(frozen=True, slots=True)
class Work:
    """What people did about one item as it stood then. Instants are naive UTC."""

    item: str
    state: State
    owner: str | None
    note: str | None
    item_class: str
    amount_fen: int
    bill: str
    channel: str
    day: date
    order_no: str | None
    proposed_by: str | None
    approved_by: str | None
    updated_at: datetime

    def concerns(self, found: Mapping[str, Any]) -> bool:
        """True while the item is what it was when this was written."""
        return (self.item_class, self.amount_fen) == (found["class"], found["amount_fen"])


def assign(ledger: Ledger, person: Person, found: Mapping[str, Any], owner: str) -> Work:
    """Give an item to somebody; an empty name takes it back. Raises Forbidden, RefusedInput."""
    person.demand("query")
    name = " ".join(owner.split())
    if len(name) > MAX_OWNER:
        raise RefusedInput("A name has up to {count} characters.", count=MAX_OWNER)
    with ledger.transaction() as connection:
        kept = replace(_held(connection, found), owner=name or None)
        return _write(ledger, connection, person, "item_assigned", kept, owner=name)


def explain(ledger: Ledger, person: Person, found: Mapping[str, Any], note: str) -> Work:
    """Close an item with what was found. Raises Forbidden, RefusedInput."""
    person.demand("query")
    return _closed(ledger, person, found, note, "explained", "item_explained")


def propose_write_off(ledger: Ledger, person: Person, found: Mapping[str, Any], note: str) -> Work:
    """Ask a second person to let an item go; who asks must be known. Raises Forbidden, RefusedInput."""
    person.demand("query")
    if person == LOCAL:
        raise Forbidden("Who proposes a write-off has an account: give --as USER.")
    return _closed(
        ledger, person, found, note, "write_off_proposed", "item_write_off_proposed"
    )


def approve_write_off(
    ledger: Ledger, person: Person, found: Mapping[str, Any], *, trusts_login: bool = False
) -> Work:
    """Write an item off, as somebody else proposed. Raises Forbidden, RefusedInput.

    An account that who proposed made or changed of late is no second person, as with refunds; where
    the machine's own login is trusted instead (`trusts_login`), the trail names it. Both persons'
    rights are those held at this moment.
    """
    person.demand("approve")
    with ledger.transaction() as connection:
        approver = person_of(connection, person.name)
        approver.demand("approve")
        held = _proposed(connection, found)
        _check_proposer(connection, held)
        tied = _check_second(connection, approver, held, trusts_login=trusts_login)
        kept = replace(held, state="written_off", approved_by=person.name)
        return _write(ledger, connection, person, "item_written_off", kept,
                      proposed_by=held.proposed_by, **tied)


def _check_proposer(connection: Connection, held: Work) -> None:
    """Raises RefusedInput unless who proposed this could still propose it."""
    name = held.proposed_by or ""
    try:
        person_of(connection, name).demand("query")
    except Forbidden as error:
        raise RefusedInput(
            "{name}, who proposed this, may not propose it any more. Decline it.", name=name
        ) from error


def _check_second(
    connection: Connection, person: Person, held: Work, *, trusts_login: bool
) -> dict[str, int]:
    """Raises Forbidden for anybody but a second person within the limit; what the trail must note."""
    if held.proposed_by == person.name:
        raise Forbidden("{name} proposed this; somebody else must approve it.", name=person.name)
    limit = person.role.approve_limit_fen
    if limit is not None and abs(held.amount_fen) > limit:
        raise Forbidden("{name} may not approve an amount as high as this.", name=person.name)
    tied = approving.handled(connection, held.proposed_by or "", person.name, now())
    if tied is None:
        return {}
    if not trusts_login:
        raise Forbidden(
            "{asker}, who proposed this, made or changed the account {name} less than {days} days ago."
            " Somebody else must approve it.",
            asker=held.proposed_by, name=person.name, days=approving.TIED.days,
        )
    return {"account_from_requester": tied}


def decline_write_off(ledger: Ledger, person: Person, found: Mapping[str, Any]) -> Work:
    """Leave a proposed item open. Raises Forbidden, RefusedInput."""
    person.demand("approve")
    with ledger.transaction() as connection:
        kept = replace(_proposed(connection, found), state="open", proposed_by=None)
        return _write(ledger, connection, person, "item_write_off_declined", kept)


def reopen(ledger: Ledger, person: Person, found: Mapping[str, Any]) -> Work:
    """Open an item again. What was written off needs the right to approve. Raises Forbidden."""
    person.demand("query")
    with ledger.transaction() as connection:
        held = _held(connection, found)
        if held.state == "open":
            raise RefusedInput("The item is open.")
        if held.state == "written_off":
            person.demand("approve")
        kept = replace(held, state="open", proposed_by=None, approved_by=None)
        return _write(ledger, connection, person, "item_reopened", kept)


def works(ledger: Ledger, found: Sequence[str]) -> dict[str, Work]:
    """What was done about these items, by item."""
    wanted, number = sorted(set(found)), RECONCILIATION_WORK.c.item
    with ledger.reading() as connection:
        return {
            row["item"]: Work(**row)
            for at in range(0, len(wanted), _AT_ONCE)
            for row in connection.execute(
                select(RECONCILIATION_WORK).where(number.in_(wanted[at : at + _AT_ONCE]))
            ).mappings()
        }


def _closed(
    ledger: Ledger, person: Person, found: Mapping[str, Any], note: str, state: State, action: str
) -> Work:
    words = " ".join(note.split())
    if not 1 <= len(words) <= MAX_NOTE:
        raise RefusedInput("A note has 1 to {count} characters.", count=MAX_NOTE)
    with ledger.transaction() as connection:
        held = _held(connection, found)
        if held.state == "written_off":
            raise RefusedInput("The item was written off. Open it again first.")
        proposed_by = person.name if state == "write_off_proposed" else None
        kept = replace(held, state=state, note=words, proposed_by=proposed_by, approved_by=None)
        return _write(ledger, connection, person, action, kept, note=words)


def _held(connection: Connection, found: Mapping[str, Any]) -> Work:
    """What is kept of an item, or a beginning; a state that speaks of another amount is void."""
    query = select(RECONCILIATION_WORK).where(RECONCILIATION_WORK.c.item == found["item"])
    row = connection.execute(query).mappings().first()
    told = {name if name != "class" else "item_class": found[name] for name in _TOLD}
    fresh = Work(
        **told, state="open", owner=row["owner"] if row else None, note=row["note"] if row else None,
        proposed_by=None, approved_by=None, updated_at=now(),
    )
    if row is None:
        return fresh
    held = Work(**row)
    return held if held.concerns(found) else fresh


def _proposed(connection: Connection, found: Mapping[str, Any]) -> Work:
    held = _held(connection, found)
    if held.state != "write_off_proposed":
        raise RefusedInput("Nobody proposed to write this item off.")
    return held


def _write(
    ledger: Ledger, connection: Connection, person: Person, action: str, kept: Work, **detail: Any
) -> Work:
    table = RECONCILIATION_WORK
    work = replace(kept, updated_at=now())
    values = {name: getattr(work, name) for name in Work.__dataclass_fields__}
    connection.execute(delete(table).where(table.c.item == work.item))
    connection.execute(insert(table).values(values))
    audit.append(
        ledger, connection, person.name, action, work.item, kind=work.item_class, bill=work.bill,
        amount_fen=work.amount_fen, order_no=work.order_no, **detail,
    )
    return work

"""Refunds in the ledger: reading, writing and claiming rows within a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from dashboard.operations.refund_records import Refund, State, error_document, refund_of
from dashboard.operations.refund_tables import REFUNDS
from loaders.errors import MdashError, RefusedInput


def find(connection: Connection, refund_no: str) -> Refund | None:
    """A refund by its number."""
    found = chosen(connection, REFUNDS.c.refund_no == refund_no)
    return found[0] if found else None


def one(connection: Connection, refund_no: str) -> Refund:
    """A refund by its number. Raises RefusedInput for a number nobody used."""
    found = find(connection, refund_no)
    if found is None:
        raise RefusedInput("There is no refund with this number.")
    return found


def of_order(connection: Connection, channel: str, order_no: str) -> list[Refund]:
    """All refunds of an order."""
    return chosen(connection, REFUNDS.c.channel == channel, REFUNDS.c.order_no == order_no)


def in_states(connection: Connection, states: Iterable[State]) -> list[Refund]:
    """All refunds in these states, oldest first."""
    return chosen(connection, REFUNDS.c.state.in_(tuple(states)))[::-1]


def chosen(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[Refund]:
    """Refunds that meet every condition, newest first."""
    wanted = (
        select(REFUNDS)
        .where(*conditions)
        .order_by(REFUNDS.c.requested_at.desc(), REFUNDS.c.refund_no.desc())
        .limit(limit)
    )
    return [refund_of(dict(row)) for row in connection.execute(wanted).mappings()]


def requesters(connection: Connection) -> list[str]:
    """Who asked for refunds, by name."""
    column = REFUNDS.c.requested_by
    return list(connection.execute(select(column).distinct().order_by(column)).scalars())


def count(connection: Connection, states: Iterable[State]) -> int:
    """How many refunds are in these states."""
    wanted = select(func.count()).select_from(REFUNDS).where(REFUNDS.c.state.in_(tuple(states)))
    return int(connection.execute(wanted).scalar_one())


def add(connection: Connection, refund: Refund) -> None:
    """Write a new refund down."""
    row = asdict(refund)
    del row["was_unknown"]
    row |= {"why": error_document(refund.why), "refusal": error_document(refund.refusal)}
    connection.execute(insert(REFUNDS).values(row))


def change(connection: Connection, seen: Refund, **values: Any) -> bool:
    """Change a refund if it is still as it was seen: in its state, held by the same claim."""
    is_same = (
        REFUNDS.c.holder.is_(None) if seen.holder is None else REFUNDS.c.holder == seen.holder
    )
    return set_where(connection, seen.refund_no, REFUNDS.c.state == seen.state, is_same, **values)


def set_where(
    connection: Connection, refund_no: str, *conditions: ColumnElement[bool], **values: Any
) -> bool:
    """Change a refund that meets the conditions; False if it does not."""
    plain = {
        name: error_document(value) if isinstance(value, MdashError) else value
        for name, value in values.items()
    }
    wanted = update(REFUNDS).where(REFUNDS.c.refund_no == refund_no, *conditions).values(plain)
    return connection.execute(wanted).rowcount == 1


def told(
    ledger: Ledger, connection: Connection, actor: str, action: str, refund: Refund, **detail: Any
) -> None:
    """Add a step of a refund to the trail."""
    audit.append(
        ledger, connection, actor, action, refund.refund_no, channel=refund.channel,
        order_no=refund.order_no, amount_fen=refund.amount_fen, **detail,
    )


def claimed(
    connection: Connection, refund: Refund, holder: str, until: datetime, at: datetime, **values: Any
) -> Refund | None:
    """Move a refund to `submitting` under this claim; None if somebody else was there first."""
    if not change(
        connection, refund, state="submitting", holder=holder, lease_until=until, updated_at=at,
        **values,
    ):
        return None
    return one(connection, refund.refund_no)

"""Whose report it is must still be somebody who may take files away."""

from __future__ import annotations

from sqlalchemy import Connection

from dashboard.identity.accounts import is_empty, person_of
from dashboard.identity.rights import LOCAL
from dashboard.operations.ledger import Ledger
from loaders.errors import Forbidden


def may_send(ledger: Ledger, owner: str) -> bool:
    """True if reports of this owner are sent now."""
    with ledger.reading() as connection:
        return may_send_now(connection, owner)


def may_send_now(connection: Connection, owner: str) -> bool:
    """True for an active account with the right to export; the machine's own while it has none."""
    if owner == LOCAL.name:
        return is_empty(connection)
    try:
        return person_of(connection, owner).may("export")
    except Forbidden:
        return False

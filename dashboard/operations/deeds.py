"""Noted deeds into the trail: each once, also when somebody dies in between."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, select

from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from dashboard.operations.tables import AUDIT_TRAIL
from loaders.deeds import taken
from loaders.errors import MdashError
from loaders.logs import event


def settle(ledger: Ledger) -> int:
    """Append the deeds noted in the home to the trail; returns how many. Raises MdashError."""
    with taken(ledger.settings.home) as (deeds, was_left):
        if not deeds:
            return 0
        with ledger.transaction() as connection:
            fresh = [deed for deed in deeds if not (was_left and _is_known(connection, deed["id"]))]
            for deed in fresh:
                audit.append(
                    ledger, connection, deed["actor"], deed["action"], deed["subject"],
                    deed=deed["id"], done_at=deed["at"], **deed["detail"],
                )
    return len(fresh)


def settle_or_wait(ledger: Ledger) -> bool:
    """The same; where the ledger cannot be written the deeds wait, and the answer is False."""
    try:
        settle(ledger)
    except (MdashError, OSError, ValueError) as error:
        event("deeds wait for the trail", logging.WARNING, error=error)
        return False
    return True


def _is_known(connection: Connection, deed: str) -> bool:
    query = select(AUDIT_TRAIL.c.seq).where(AUDIT_TRAIL.c.detail.contains(f'"deed": "{deed}"'))
    return connection.execute(query).first() is not None

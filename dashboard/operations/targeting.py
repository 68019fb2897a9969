"""Who may never be addressed again, and the record of every audience that left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from dashboard.operations.tables import AUDIT_TRAIL


def erased_buyers(ledger: Ledger) -> frozenset[str]:
    """Pseudonyms of buyers who were erased, as the trail has them."""
    with ledger.reading() as connection:
        found = connection.execute(
            select(AUDIT_TRAIL.c.subject).where(AUDIT_TRAIL.c.action == "erased")
        )
        return frozenset(row[0] for row in found)


def record_audience(
    ledger: Ledger, actor: str, rules: Mapping[str, Any], rows: int, digest: str
) -> int:
    """Write into the trail that an audience left: whose rules, how many buyers, which file."""
    return audit.record(
        ledger, actor, "exported", "audience", rules=dict(rules), rows=rows, sha256=digest
    )

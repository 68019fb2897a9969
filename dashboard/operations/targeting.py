"""The record of every audience that left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.operations import audit
from dashboard.operations.ledger import Ledger


def record_audience(
    ledger: Ledger, actor: str, rules: Mapping[str, Any], rows: int, digest: str
) -> int:
    """Write into the trail that an audience left: whose rules, how many buyers, which file."""
    return audit.record(
        ledger, actor, "exported", "audience", rules=dict(rules), rows=rows, sha256=digest
    )

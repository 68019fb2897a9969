"""Refunds per person against their peers: what an auditor would look at first, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from dashboard.operations.ledger import Ledger
from dashboard.operations.refund_tables import REFUNDS
from dashboard.operations.tables import AUDIT_TRAIL

OPENS, CLOSES = time(8), time(22)
JUST_UNDER_PERCENT = 90
"""From so much of the limit on, an amount counts as just under it."""
LEAST = 3
"""Fewer cases than these stand out from nothing."""
TIMES_PEERS = 3
_COUNTED = ("refunds", "just_under", "after_hours", "same_buyer", "own_approvals")
Buyers = Callable[[Sequence[tuple[str, str]]], Mapping[tuple[str, str], str | None]]
"""The pseudonyms of the buyers of orders (channel, number)."""
Limit = Callable[[str], int | None]
"""From which amount in fen on a person's refund needs another's approval; None: from none."""


@dataclass(frozen=True, slots=True)
class Refunder:
    """One person's refunds in a period, and which of the counts stand out among those of peers."""

    person: str
    refunds: int
    amount_fen: int
    just_under: int
    after_hours: int
    same_buyer: int
    own_approvals: int
    stands_out: tuple[str, ...]


def compare(
    ledger: Ledger, first: datetime, end: datetime, limit: Limit, buyers: Buyers
) -> list[Refunder]:
    """Everybody who asked for refunds from `first` to before `end` (naive UTC), most first.

    `same_buyer` is how many refunds went to the buyer who got most from this person, and
    `own_approvals` how often the person tried to approve an own request and was refused.
    """
    with ledger.reading() as connection:
        rows = [dict(row) for row in connection.execute(
            select(REFUNDS).where(REFUNDS.c.requested_at >= first, REFUNDS.c.requested_at < end)
        ).mappings()]
        refused = connection.execute(
            select(AUDIT_TRAIL.c.actor, AUDIT_TRAIL.c.subject).where(
                AUDIT_TRAIL.c.action == "refused", AUDIT_TRAIL.c.at >= first, AUDIT_TRAIL.c.at < end
            )
        ).all()
    own = Counter(
        actor for actor, subject in refused
        if any(row["requested_by"] == actor and row["refund_no"] == subject for row in rows)
    )
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["requested_by"]].append(row)
    payees = buyers([(row["channel"], row["order_no"]) for row in rows])
    zone = ZoneInfo(ledger.settings.shop.timezone)
    counted = {
        name: _counts(group, limit(name), payees, zone) | {"own_approvals": own[name]}
        for name, group in groups.items()
    }
    found = [
        Refunder(name, **counts, stands_out=_outstanding(name, counted))
        for name, counts in counted.items()
    ]
    return sorted(found, key=lambda item: (-len(item.stands_out), -item.refunds, item.person))


def _counts(
    rows: Sequence[Mapping[str, Any]], limit_fen: int | None,
    payees: Mapping[tuple[str, str], str | None], zone: ZoneInfo,
) -> dict[str, int]:
    known = Counter(filter(None, (payees.get((row["channel"], row["order_no"])) for row in rows)))
    return {
        "refunds": len(rows),
        "amount_fen": sum(row["amount_fen"] for row in rows),
        "just_under": sum(_is_just_under(row["amount_fen"], limit_fen) for row in rows),
        "after_hours": sum(_is_after_hours(row["requested_at"], zone) for row in rows),
        "same_buyer": max(known.values(), default=0),
    }


def _is_just_under(amount_fen: int, limit_fen: int | None) -> bool:
    return (
        limit_fen is not None
        and limit_fen * JUST_UNDER_PERCENT <= amount_fen * 100 <= limit_fen * 100
    )


def _is_after_hours(at: datetime, zone: ZoneInfo) -> bool:
    return not OPENS <= at.replace(tzinfo=UTC).astimezone(zone).time() < CLOSES


def _outstanding(name: str, counted: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """The counts of a person that are some, and far above the median of all others."""
    others = [counts for other, counts in counted.items() if other != name]
    return tuple(
        field for field in _COUNTED
        if counted[name][field] >= LEAST
        and counted[name][field] > TIMES_PEERS * (median(o[field] for o in others) if others else 0)
    )

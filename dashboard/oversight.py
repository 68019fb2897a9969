"""What who administers sees of others: the trail in words, and refunds per person against peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dashboard.identity.accounts import Accounts
from dashboard.operations.peers import compare
from dashboard.operations.policy import approval_above
from dashboard.operations.trail import ACTIONS
from dashboard.wording.labels import FIELDS
from loaders.errors import Forbidden
from loaders.store.reader import Reader, Row

if TYPE_CHECKING:
    from dashboard.services import Services

Order = tuple[str, str]


def entries(
    services: Services, person: str | None, action: str | None, subject: str, days: tuple[date, date]
) -> list[Row]:
    """The latest entries of the trail that meet every wish, their actions in words."""
    found = services.trail.read(
        person=person, action=action, subject=subject or None, first_day=days[0], last_day=days[1]
    )
    return [
        {**row, "action": services.say(ACTIONS.get(row["action"], row["action"]))} for row in found
    ]


def refunders(services: Services, first_day: date, last_day: date) -> list[Row]:
    """Refunds per person in a period, and what stands out in words. Raises Forbidden."""
    services.demand("administer", "refunds per person")
    accounts = Accounts(services.people.ledger)

    def limit(name: str) -> int | None:
        try:
            return approval_above(services.settings.refunds, accounts.person(name))
        except Forbidden:
            return services.settings.refunds.approval_above_fen

    found = compare(
        services.people.ledger, _begin(services, first_day),
        _begin(services, last_day + timedelta(1)), limit,
        lambda orders: buyers_of(services.reader, orders),
    )
    return [
        asdict(item) | {
            "stands_out": ", ".join(services.say(FIELDS[name]) for name in item.stands_out) or None
        }
        for item in found
    ]


def buyers_of(reader: Reader, orders: Sequence[Order]) -> Mapping[Order, str | None]:
    """The pseudonyms of the buyers of these orders."""
    if reader.is_empty or not orders:
        return {}
    rows = reader.rows(
        "select channel, order_no, buyer from lake.trade where order_no in (select unnest($orders))"
        " and home_day in (select home_day from lake.id_days where id_hash in"
        " (select id_hash(unnest($orders))))",
        {"orders": sorted({order_no for _, order_no in orders})},
    )
    return {(row["channel"], row["order_no"]): row["buyer"] for row in rows}


def _begin(services: Services, day: date) -> datetime:
    """The instant at which a day of the shop begins, naive UTC."""
    local = datetime.combine(day, time(), ZoneInfo(services.timezone))
    return local.astimezone(UTC).replace(tzinfo=None)

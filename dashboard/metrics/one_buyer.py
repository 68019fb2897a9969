"""One buyer: what they bought, what they spent, and the segments they went through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dashboard.metrics.buyers import at_end
from dashboard.metrics.catalogue import Asked
from dashboard.metrics.recommendation import next_for_buyer
from dashboard.metrics.segment_rules import frequency_of, recency_of, segment_of
from loaders.store.reader import Row

MONTHS = 13
_SCOPE = "home_day in (select unnest($days)) and channel = $channel"
_ORDERS = f"""
select
    channel, order_no, created_at, paid_at, amount_fen, refunded_fen,
    case when paid_at is not null or decided_at <= $as_of::timestamp then settled_outcome else 'open' end
        as outcome,
    product, client, store, campaign, consent,
    list_transform(coalesce(items, []), lambda part: coalesce(part.name, part.item)) as goods
from lake.trade
where {_SCOPE} and buyer = $buyer and created_at <= $as_of::timestamp
order by created_at
"""
_REFUNDS = f"""
select order_no, refunded_at, amount_fen
from lake.refund
where {_SCOPE} and refunded_at <= $as_of::timestamp
    and order_no in (select order_no from lake.trade where {_SCOPE} and buyer = $buyer)
"""
# As in audiences: what was said last counts, in any channel and also after the period; a yes and a no of
# one moment are a no.
_CONSENT = """
select arg_max(consent, (created_at, not consent)) as consent
from lake.trade
where home_day in (select unnest($days)) and buyer = $buyer and consent is not null
"""
_CHANNELS = """
select distinct channel from lake.trade
where home_day in (select unnest($days)) and buyer = $buyer order by channel
"""


@dataclass(slots=True)
class Buyer:
    """A pseudonym with its orders, purchases as of the end of the period, and what to offer next."""

    channel: str
    channels: list[str]
    buyer: str
    orders: list[Row]
    first_paid_at: datetime | None = None
    last_paid_at: datetime | None = None
    kept: list[Row] = field(default_factory=list)
    net_fen: int = 0
    consent: bool | None = None
    history: list[Row] = field(default_factory=list)
    next_items: list[Row] = field(default_factory=list)

    def spend(self) -> list[tuple[datetime, int]]:
        """The net amount of all purchases so far, after each one."""
        found, total = [], 0
        for order in sorted(self.kept, key=lambda order: order["paid_at"]):
            total += order["amount_fen"] - order["refunded_fen"]
            found.append((order["paid_at"], total))
        return found

    def document(self) -> dict[str, Any]:
        """All of it by name."""
        return {
            "buyer": self.buyer, "channel": self.channel, "segment": self.segment,
            "consent": self.consent, "purchases": self.purchases, "net_fen": self.net_fen,
            "first_paid_at": self.first_paid_at, "last_paid_at": self.last_paid_at,
            "orders": self.orders, "history": self.history, "next_items": self.next_items,
        }

    @property
    def purchases(self) -> int:
        """Orders paid and not fully refunded."""
        return len(self.kept)

    @property
    def segment(self) -> str | None:
        """The segment at the end of the period; None without a purchase."""
        return str(self.history[0]["segment"]) if self.history else None


def find(asked: Asked, buyer: str, channel: str | None = None) -> Buyer | None:
    """What is known of a pseudonym up to the end of the period; None if there is nothing."""
    days = asked.reader.home_days(buyer)
    if not days:
        return None
    channels = [str(row["channel"]) for row in asked.rows(_CHANNELS, days=days, buyer=buyer)]
    channel = channel if channel in channels else next(iter(channels), None)
    if channel is None:
        return None
    ends_at = at_end(asked)
    named = {"days": days, "channel": channel, "buyer": buyer, "as_of": ends_at}
    found = Buyer(channel, channels, buyer, asked.rows(_ORDERS, **named))
    refunds: dict[str, list[Row]] = {}
    for row in asked.rows(_REFUNDS, **named):
        refunds.setdefault(row["order_no"], []).append(row)
    _add_up(found, refunds, ends_at)
    found.consent = asked.rows(_CONSENT, days=days, buyer=buyer)[0]["consent"]
    found.history = _history(found.orders, refunds, _month_ends(asked, ends_at))
    found.next_items = next_for_buyer(asked, channel, buyer)
    return found


def _add_up(found: Buyer, refunds: dict[str, list[Row]], at: datetime) -> None:
    kept = _purchases(found.orders, refunds, at)
    for order in found.orders:
        order["refunded_fen"] = _refunded(order, refunds, at)
    found.kept = kept
    found.net_fen = sum(order["amount_fen"] - order["refunded_fen"] for order in kept)
    paid = sorted(order["paid_at"] for order in kept)
    if paid:
        found.first_paid_at, found.last_paid_at = paid[0], paid[-1]


def _refunded(order: Row, refunds: dict[str, list[Row]], at: datetime) -> int:
    backs = refunds.get(order["order_no"], [])
    return sum(back["amount_fen"] for back in backs if back["refunded_at"] <= at)


def _purchases(orders: Sequence[Row], refunds: dict[str, list[Row]], at: datetime) -> list[Row]:
    """Orders that were paid by an instant and not fully refunded then (D15)."""
    found = []
    for order in orders:
        back = _refunded(order, refunds, at)
        if order["paid_at"] and order["paid_at"] <= at and not 0 < order["amount_fen"] <= back:
            found.append(order)
    return found


def _month_ends(asked: Asked, ends_at: datetime) -> list[tuple[str, datetime]]:
    """The end of the period, then the ends of the months before it, each with its name; naive UTC."""
    rows = asked.rows(
        "select strftime(shop_time(moment - interval 1 microsecond), '%Y-%m') as month, moment from ("
        " select utc_time(month) as moment from generate_series(date_trunc('month',"
        f" shop_time($as_of::timestamp)) - interval {MONTHS - 2} month, date_trunc('month',"
        " shop_time($as_of::timestamp)), interval 1 month) as months(month)) order by moment desc",
        as_of=ends_at,
    )
    local = asked.rows("select strftime(shop_time($as_of::timestamp - interval 1 microsecond), '%Y-%m')"
                       " as month", as_of=ends_at)
    first = [(str(local[0]["month"]), ends_at)]
    return first + [(str(r["month"]), r["moment"]) for r in rows if r["moment"] < ends_at]


def _history(
    orders: Sequence[Row], refunds: dict[str, list[Row]], ends: Sequence[tuple[str, datetime]]
) -> list[Row]:
    found = []
    for month, at in ends:
        paid = [order["paid_at"] for order in _purchases(orders, refunds, at)]
        if not paid:
            break
        recency = recency_of(int((at - max(paid)).total_seconds()) // 86_400)
        frequency = frequency_of(sum(moment > at - timedelta(days=365) for moment in paid))
        found.append({"month": month, "segment": segment_of(recency, frequency),
                      "recency": recency, "frequency": frequency, "orders": len(paid)})
    return found

"""All that the store knows of some trades, read together: for one page, or for hundreds of verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from loaders.store.connection import ID_BUCKETS
from loaders.store.reader import Reader, Row

_FEW = 16
Key = tuple[str, str]
"""A trade's channel and order number."""


@dataclass(slots=True)
class History:
    """One trade, and everything that was heard of it, each in time order."""

    trade: Row
    events: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    refunds: list[Row] = field(default_factory=list)
    twins: list[Row] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """Its channel and order number."""
        return self.trade["channel"], self.trade["order_no"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which days of which channels the trade bills in the store cover."""

    days: frozenset[tuple[str, date]] = frozenset()

    def has(self, channel: str, day: date | None) -> bool:
        """True if the channel's bill of this day is loaded."""
        return (channel, day) in self.days


def matches(
    reader: Reader, spellings: Mapping[str, Sequence[str]], most: int
) -> dict[str, list[Key]]:
    """For each id asked about, the trades it belongs to; its `spellings` are looked for together."""
    asked = [(text, name) for name, texts in spellings.items() for text in texts]
    if not asked or reader.is_empty:
        return {name: [] for name in spellings}
    texts = [text for text, _ in asked]
    days = _all_days(home_days(reader, texts))
    found: dict[str, list[Key]] = {name: [] for name in spellings}
    if not days:
        return found
    hits: dict[str, list[Key]] = defaultdict(list)
    for row in reader.rows(_MATCHES, {"ids": texts, "days": days, "most": most}):
        hits[row["id"]].append((row["channel"], row["order_no"]))
    for text, name in asked:
        found[name] += [key for key in hits[text] if key not in found[name]]
    return found


def home_days(reader: Reader, ids: Sequence[str]) -> dict[str, list[date]]:
    """For each of these ids, home days of the orders that it may belong to, newest first."""
    rows = reader.rows(
        "select id, id_hash(id) as id_hash from (select unnest($ids) as id)", {"ids": list(ids)}
    )
    hashes = {row["id"]: row["id_hash"] for row in rows}
    days: dict[int, list[date]] = defaultdict(list)
    for row in reader.rows(_days_sql(sorted(set(hashes.values())))) if hashes else ():
        days[row["id_hash"]].append(row["home_day"])
    return {name: sorted(days[hashes[name]], reverse=True) for name in ids}


def _days_sql(hashes: Sequence[int]) -> str:
    """A few ids are each looked for in their own bucket; many are looked for together."""
    table = "select distinct id_hash, home_day from lake.id_days where"
    if len(hashes) <= _FEW:
        return " union all ".join(
            f"{table} bucket = {value % ID_BUCKETS} and id_hash = {value}" for value in hashes
        )
    buckets = sorted({value % ID_BUCKETS for value in hashes})
    return (
        f"{table} bucket in ({', '.join(map(str, buckets))})"
        f" and id_hash in ({', '.join(map(str, hashes))})"
    )


def _all_days(found: Mapping[str, Sequence[date]]) -> list[date]:
    return sorted({day for days in found.values() for day in days}, reverse=True)


def histories(reader: Reader, keys: Sequence[Key]) -> tuple[list[History], Coverage]:
    """The histories of these trades, in their order, and the bills that could name them.

    The number of questions asked of the store does not depend on how many trades there are.
    """
    days = _all_days(home_days(reader, [order_no for _, order_no in keys])) if keys else []
    if not days:
        return [], Coverage()
    wanted = {
        "channels": [channel for channel, _ in keys], "orders": [order for _, order in keys],
        "days": days,
    }
    found = {
        (row["channel"], row["order_no"]): History(row) for row in reader.rows(_TRADES, wanted)
    }
    for name, sql in _PARTS.items():
        for row in reader.rows(sql, wanted):
            history = found.get((row["channel"], row["order_no"]))
            if history is not None:
                getattr(history, name).append(row)
    return [found[key] for key in keys if key in found], _coverage(reader, found.values())


def _coverage(reader: Reader, found: Iterable[History]) -> Coverage:
    at = [
        moment.date()
        for item in found
        for name in ("created_at", "due_at", "paid_at")
        if (moment := item.trade[name])
    ]
    if not at:
        return Coverage()
    rows = reader.rows(
        "select distinct channel, day from lake.current_days where kind = 'trade_bill'"
        " and day between $first::date - 1 and $last::date + 2",
        {"first": min(at), "last": max(at)},
    )
    return Coverage(frozenset((row["channel"], row["day"]) for row in rows))


_KEYS = "with keys as (select unnest($channels) as channel, unnest($orders) as order_no)"
_HOME = "home_day between list_min($days) and list_max($days) and home_day in (select unnest($days))"
_MATCHES = f"""
with asked as (select distinct unnest($ids) as id),
hits as (
    select asked.id, channel, order_no
    from lake.trade inner join asked on order_no = asked.id where {_HOME}
    union
    select asked.id, channel, order_no
    from lake.trade inner join asked on trade_no = asked.id where {_HOME}
    union
    select asked.id, channel, order_no
    from lake.trade inner join asked on buyer = asked.id where {_HOME}
    union
    select asked.id, channel, order_no
    from lake.refund inner join asked on refund_no = asked.id where {_HOME}
    union
    select asked.id, channel, order_no
    from lake.deliveries inner join asked on notify_id = asked.id where verdict = 'valid' and {_HOME}
)
select id, channel, order_no from hits order by order_no desc limit $most
"""
_TRADES = f"""
{_KEYS}
select trades.*
from lake.trades as trades
semi join keys using (channel, order_no)
where shop_day(created_at) between list_min($days) - 40 and list_max($days) + 40
"""
_PARTS = {
    "events": f"""
{_KEYS}
select
    keys.channel, order_no, event, happened_at, attempt, method, is_payment, reached_channel, code,
    sub_code, elapsed_ms, reason, is_known, says, channel_paid_at, refund_no, closed_by,
    amount_fen, expires_at
from lake.checkout_log as log
inner join keys using (order_no)
where coalesce(log.channel, keys.channel) = keys.channel and {_HOME}
order by happened_at, line_key
""",
    "messages": f"""
{_KEYS}
select
    channel, order_no, verdict, received_at, is_receipt_time_known, notify_id, status, proves_paid,
    is_refund, is_closed, amount_fen, refunded_total_fen, refund_fen, refund_no, paid_at,
    refunded_at, closed_at, line, line_key, load_id
from lake.deliveries
semi join keys using (channel, order_no)
where {_HOME}
order by received_at, line
""",
    "lines": f"""
{_KEYS}
select
    line.channel, line.order_no, line.kind, line.type, line.finished_at, line.billed_on,
    line.order_fen, line.receipt_fen, line.service_fen, line.refund_no
from lake.trade_lines as line
semi join keys on line.channel = keys.channel and line.order_no = keys.order_no
semi join lake.current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'trade_bill'
where {_HOME}
order by line.finished_at, line.line
""",
    "refunds": f"""
{_KEYS}
select
    channel, order_no, refund_no, amount_fen, requested_at, refunded_at, notified_at, billed_on,
    coalesce(state, 'done') as state, asked_fen, accepted_at
from lake.refund
semi join keys using (channel, order_no)
where {_HOME}
order by refunded_at
""",
    "twins": f"""
{_KEYS},
own as materialized (
    select channel, order_no, buyer, amount_fen, paid_at
    from lake.trade
    semi join keys using (channel, order_no)
    where {_HOME} and buyer is not null and paid_at is not null and refunded_fen < amount_fen
)
select own.channel, own.order_no, other.order_no as twin_order_no, other.paid_at
from lake.trade as other
inner join own
    on other.channel = own.channel and other.buyer = own.buyer
    and other.amount_fen = own.amount_fen and other.order_no <> own.order_no
where
    other.home_day between list_min($days) - 1 and list_max($days) + 1
    and other.refunded_fen < other.amount_fen
    and abs(date_diff('second', other.paid_at, own.paid_at)) <= {15 * 60}
order by other.paid_at
""",
}


def message_file(reader: Reader, load_id: int) -> str | None:
    """The name of the log file that a load read."""
    row: dict[str, Any] = reader.one(
        "select file from lake.loads where load_id = $load_id", {"load_id": load_id}
    )
    return row.get("file")

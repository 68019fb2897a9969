"""Lists of trades and one trade with its events, read from the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dashboard.histories import home_days
from dashboard.metrics.question import Question
from dashboard.metrics.spread import STAGES
from loaders.errors import RefusedInput, UnknownMetric
from loaders.store.reader import Reader, Row

if TYPE_CHECKING:
    import pyarrow as pa

PICKS: Mapping[str, str] = {
    "outcome": "outcome = $outcome",
    "reason": "failure_reason = $reason",
    "code": "failure_code = $code",
    "state": "$state = 'unnotified' and paid_at is not null and not is_received",
}
"""What a list of trades can be narrowed by beside the filters, each a condition."""


def find(reader: Reader, spellings: Sequence[str], limit: int) -> list[Row]:
    """Trades that any of these spellings of an id belongs to."""
    found: dict[tuple[str, str], Row] = {}
    known = home_days(reader, spellings) if spellings else {}
    for wanted in spellings:
        days = known[wanted][:limit]
        if not days:
            continue
        for row in reader.rows(_FIND, {"days": days, "id": wanted, "limit": limit}):
            found[row["channel"], row["order_no"]] = row
    return list(found.values())[:limit]


def is_buyer(reader: Reader, name: str) -> bool:
    """True if some trade is of this pseudonym."""
    days = reader.home_days(name)
    return bool(days) and bool(reader.rows(
        "select 1 from lake.trade where home_day in (select unnest($days)) and buyer = $name limit 1",
        {"days": days, "name": name},
    ))


def recent(
    reader: Reader, question: Question, picks: Mapping[str, str], limit: int
) -> list[Row]:
    """The latest trades of a period that meet every pick, newest first."""
    if reader.is_empty:
        return []
    for name in picks:
        if name not in PICKS:
            raise UnknownMetric(
                "There is no dimension {name}; there are {names}.", name=name, names=", ".join(PICKS)
            )
    conditions = "".join(f" and {PICKS[name]}" for name in picks)
    sql = (
        f"select {_LISTED} from lake.trades as trades where created_at >="
        " utc_time($first_hour::timestamp) and created_at <"
        f" utc_time($last_hour::timestamp + interval 1 hour) {question.filters()}{conditions}"
        " order by created_at desc, order_no limit $limit"
    )
    return reader.rows(sql, {**question.parameters(), **picks, "limit": limit})


@contextmanager
def every(reader: Reader, question: Question) -> Iterator[tuple[int, pa.RecordBatchReader]]:
    """How many trades were created in a period, and all of them as a stream, oldest first."""
    if reader.is_empty:
        raise RefusedInput("Nothing has been loaded yet.")
    period = (
        "created_at >= utc_time($first_hour::timestamp)"
        f" and created_at < utc_time($last_hour::timestamp + interval 1 hour) {question.filters()}"
    )
    parameters = question.parameters()
    found = reader.one(f"select count(*) as trades from lake.trade where {period}", parameters)
    sql = f"select {_LISTED} from lake.trades as trades where {period} order by created_at"
    with reader.stream(sql, parameters) as batches:
        yield found["trades"], batches


def slowest(reader: Reader, question: Question, stage: str, limit: int) -> list[Row]:
    """The trades of a period whose stage took longest, with its seconds."""
    if reader.is_empty or stage not in STAGES:
        return []
    sql = (
        f"select {_LISTED}, {stage}_ms / 1000.0 as took_s from lake.trades as trades"
        " where created_at >= utc_time($first_hour::timestamp) and created_at <"
        f" utc_time($last_hour::timestamp + interval 1 hour) and {stage}_ms >= 0"
        f" {question.filters()} order by {stage}_ms desc, order_no limit $limit"
    )
    rows = reader.rows(sql, {**question.parameters(), "limit": limit})
    return [row | {"took_s": float(row["took_s"])} for row in rows]


def one(reader: Reader, channel: str, order_no: str) -> dict[str, Any]:
    """All that is known of one trade: the trade, its refunds and its events in time order.

    Raises RefusedInput if there is none.
    """
    days = reader.home_days(order_no)
    key = {"days": days, "channel": channel, "order_no": order_no}
    rows = reader.rows(_ONE, key) if days else []
    if not rows:
        raise RefusedInput("There is no trade with this id.")
    return {
        **rows[0],
        "refunds": reader.rows(_REFUNDS, key),
        "events": reader.rows(_EVENTS, key),
    }


_LISTED = (
    "trades.channel, trades.order_no, trades.trade_no, trades.product, trades.client, trades.store,"
    " trades.campaign, trades.amount_fen, trades.created_at, trades.paid_at, trades.outcome,"
    " trades.failure_code, trades.refunded_fen, trades.billed_on"
)
_FIND = f"""
select distinct {_LISTED}, trades.buyer
from lake.trades as trades
semi join (
    select channel, order_no
    from lake.trade
    where
        home_day between list_min($days) and list_max($days)
        and home_day in (select unnest($days))
        and (order_no = $id or trade_no = $id or buyer = $id)
    union all
    select channel, order_no
    from lake.refund
    where
        home_day between list_min($days) and list_max($days)
        and home_day in (select unnest($days))
        and refund_no = $id
    union all
    select channel, order_no
    from lake.deliveries
    where
        home_day between list_min($days) and list_max($days)
        and home_day in (select unnest($days))
        and notify_id = $id and verdict = 'valid'
) as hits using (channel, order_no)
order by trades.created_at desc
limit $limit
"""
_ONE = """
select * from lake.trades
where
    channel = $channel and order_no = $order_no
    and shop_day(created_at) between list_min($days) - 40 and list_max($days) + 40
"""
_REFUNDS = """
select refund_no, amount_fen, requested_at, refunded_at, billed_on
from lake.refund
where
    channel = $channel and order_no = $order_no
    and home_day between list_min($days) and list_max($days)
    and amount_fen is not null
order by refunded_at
"""
_EVENTS = """
select happened_at as at, event as what, coalesce(sub_code, code, closed_by) as detail,
    amount_fen, 'checkout_log' as source
from lake.checkout_log
where
    order_no = $order_no and coalesce(channel, $channel) = $channel
    and home_day between list_min($days) and list_max($days)
union all
select received_at, 'notification', status, amount_fen, 'notification_log'
from lake.deliveries
where
    order_no = $order_no and channel = $channel and verdict = 'valid'
    and home_day between list_min($days) and list_max($days)
union all
select finished_at, 'bill_' || kind, cast(line.billed_on as varchar), order_fen, 'trade_bill'
from lake.trade_lines as line
semi join lake.current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'trade_bill'
where
    line.order_no = $order_no and line.channel = $channel
    and line.home_day between list_min($days) and list_max($days)
order by 1
"""

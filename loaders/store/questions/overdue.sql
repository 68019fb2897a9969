-- One row per unpaid order of a channel that should be asked about at $now, most valuable first.
-- $expected_s: a notification is late after so long; $soon_s: so long before its end an order is
-- asked about whatever was asked before; $first_wait_s doubles with each asking up to $longest_wait_s.
-- With $every, orders whose time is over are asked about too, however often they were: after those
-- that are due, the longest unasked first.
with
asked as (
    select
        order_no,
        count(distinct date_trunc('minute', happened_at)) as asks,
        max(happened_at) as asked_at,
        arg_max(says, happened_at) filter (where says is not null) as says,
        max(happened_at) filter (where says is not null) as said_at
    from lake.checkout_log
    where
        event = 'attempt'
        and channel = $channel
        and not is_payment
        and refund_no is null
        and method like '%query'
        and hint_day >= $since::date
    group by order_no
),
told_closed as (
    select distinct order_no, amount_fen
    from lake.deliveries
    where is_closed and verdict = 'valid' and channel = $channel and hint_day >= $since::date
),
unpaid as (
    select
        trade.channel,
        trade.order_no,
        trade.trade_no,
        trade.amount_fen,
        coalesce(trade.due_at, trade.created_at + interval 24 hour) as ends_at,
        coalesce(trade.submitted_at, trade.created_at) as begun_at,
        trade.settled_outcome = 'timeout_unknown' as is_call_unknown,
        coalesce(asked.asks, 0) as asks,
        asked.asked_at,
        asked.says,
        asked.said_at
    from lake.trade as trade
    left join asked using (order_no)
    anti join told_closed
        on trade.order_no = told_closed.order_no and trade.amount_fen = told_closed.amount_fen
    where
        trade.channel = $channel
        and trade.home_day >= $since::date
        and trade.paid_at is null
        and trade.created_at <= $now
        and ($every or trade.attempts = 0 or trade.submitted_at is not null)
        and length(trade.order_no) between 1 and 64
        and trade.amount_fen > 0
),
timed as (
    select
        *,
        case
            when asks = 0 and is_call_unknown then begun_at
            when asks = 0 then begun_at + to_seconds($expected_s::bigint)
            else asked_at + to_seconds(
                least($longest_wait_s, $first_wait_s * power(2, least(asks, 20) - 1))::bigint
            )
        end as ask_at
    from unpaid
    where
        coalesce(says, '') <> 'closed'
        and (
            $every
            or (
                ends_at > $now::timestamp - to_seconds($given_up_s::bigint)
                and not coalesce(says = 'absent' and said_at > ends_at, false)
            )
        )
),
judged as (
    select
        *,
        ask_at <= $now
        or (
            $now between ends_at - to_seconds($soon_s::bigint) and ends_at
            and coalesce(asked_at < ends_at - to_seconds($soon_s::bigint), true)
        )
        or (
            $now >= ends_at + to_seconds($first_wait_s::bigint)
            and coalesce(asked_at < ends_at, true)
        ) as is_due
    from timed
)
select
    channel,
    order_no,
    trade_no,
    amount_fen,
    ends_at,
    asks,
    count(*) over () as overdue
from judged
where is_due or ($every and ends_at <= $now)
order by
    is_due desc,
    case when not is_due then asked_at end nulls first,
    amount_fen desc,
    ends_at,
    order_no
limit $most

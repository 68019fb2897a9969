-- One row per buyer as of $as_of: scores of recency, frequency (purchases of 365 days) and value, and
-- the segment they make (D20, D26).
{orders},
sums as (
    select
        buyer_key,
        any_value(buyer) as buyer,
        any_value(channel) as channel,
        min(paid_at) as first_at,
        max(paid_at) as last_at,
        sum(orders)::bigint as orders,
        coalesce(sum(orders) filter (where paid_at > $as_of::timestamp - interval 365 day), 0)::bigint
            as orders_a_year,
        sum(net_fen)::bigint as net_fen
    from bought
    where true {filters}
    group by buyer_key
),
ranked as (
    select
        *,
        date_diff('second', last_at, $as_of::timestamp) // 86400 as days_since,
        net_fen // orders as mean_fen,
        percent_rank() over (order by net_fen // orders) as value_rank
    from sums
),
scores as (
    select
        * exclude (value_rank),
        {recency} as recency,
        {frequency} as frequency,
        {value} as value
    from ranked
),
scored as (
    select *, {segment} as segment from scores
)

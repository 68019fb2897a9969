-- One row per dimension: orders by the day they were created, payments by the day they were paid,
-- refunds by their own day, and paying buyers.
with
together as (
    select {dims} orders, 0 as paid, 0 as paid_fen, 0 as refunds, 0 as refunded_fen, 0 as buyers
    from lake.hourly_orders
    where hour between $first_hour::timestamp and $last_hour::timestamp {filters}
    union all
    select {dims} 0, paid, paid_fen, refunds, refunded_fen, 0
    from lake.hourly_money
    where hour between $first_hour::timestamp and $last_hour::timestamp {filters}
    union all
    select {paid_dims} 0, 0, 0, 0, 0, count(distinct buyer) as buyers
    from lake.trade
    where
        paid_at >= utc_time($first_hour::timestamp)
        and paid_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
    group by all
)
select
    {names}
    coalesce(sum(orders), 0)::bigint as orders,
    coalesce(sum(paid), 0)::bigint as paid,
    coalesce(sum(paid_fen), 0)::bigint as paid_fen,
    coalesce(sum(refunds), 0)::bigint as refunds,
    coalesce(sum(refunded_fen), 0)::bigint as refunded_fen,
    coalesce(sum(buyers), 0)::bigint as buyers
from together
group by all
having
    {whole}
    or sum(orders) <> 0 or sum(paid) <> 0 or sum(refunds) <> 0 or sum(buyers) <> 0

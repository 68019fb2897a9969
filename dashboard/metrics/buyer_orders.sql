-- One row per order of a known buyer as of $as_of; `paid_at` is set on purchases alone (D15).
-- Refunds after $as_of are taken back; buyers whose rows were corrected are summed up.
{restated},
known as not materialized (
    select * from lake.buyer_orders
    union all by name
    select * from restated
),
moved as (
    select distinct buyer_key from known where orders < 1 and buyer_key is not null
),
ordered as not materialized (
    select * replace (
        case when paid_at <= $as_of::timestamp then paid_at end as paid_at,
        case when paid_at <= $as_of::timestamp then net_fen else 0 end as net_fen
    )
    from (
        select * from known anti join moved using (buyer_key) where buyer_key is not null
        union all by name
        select * exclude (orders, net_fen), sum(orders)::bigint as orders,
            sum(net_fen)::bigint as net_fen
        from known
        semi join moved using (buyer_key)
        group by all
        having sum(orders) > 0
    )
    where created_at <= $as_of::timestamp
),
bought as not materialized (
    select * from ordered where paid_at is not null
),
firsts as (
    select buyer_key, min(paid_at) as first_at {first_order}
    from bought
    group by buyer_key
)

-- One row per dimension: orders paid, and of these refunded within 30 days of payment (D11).
with cells as ({cells}),
young as (
    select {trade_dims} true as is_young
    from lake.trade
    where
        paid_at > $as_of::timestamp - interval 30 day
        and created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
),
together as (
    select {dims} expected as paid, refunded, 0 as young from cells where true {filters}
    union all
    select {names} 0, 0, 1 from young
)
select
    {names}
    coalesce(sum(paid), 0)::bigint as paid,
    coalesce(sum(refunded), 0)::bigint as refunded,
    coalesce(sum(young), 0) = 0 as mature
from together
group by all
having sum(paid) > 0

-- One row per dimension: paid orders and what was received about them (D8 to D10).
with cells as ({cells}),
pending as (
    select {trade_dims} 1 as orders
    from lake.trade
    where
        paid_at > $as_of::timestamp - interval 25 hour
        and not is_received
        and created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
),
refused as (
    select {delivery_dims} verdict
    from lake.deliveries
    where
        verdict <> 'valid'
        and shop_hour(received_at) between $first_hour::timestamp and $last_hour::timestamp
        and hint_day >= cast($first_hour::timestamp as date) - 400
        {delivery_filters}
),
together as (
    select
        {dims}
        expected,
        received,
        first_delivered,
        duplicates,
        mismatched,
        0 as pending,
        0 as bad_signature
    from cells
    where true {filters}
    union all by name
    select {names} orders as pending from pending
    union all by name
    select
        {names}
        (verdict = 'bad_signature')::integer as bad_signature,
        (verdict = 'foreign')::integer as mismatched
    from refused
)
select
    {names}
    coalesce(sum(expected), 0)::bigint as expected,
    coalesce(sum(received), 0)::bigint as received,
    (coalesce(sum(expected), 0) - coalesce(sum(received), 0) - coalesce(sum(pending), 0))::bigint
        as missing,
    coalesce(sum(duplicates), 0)::bigint as duplicates,
    coalesce(sum(bad_signature), 0)::bigint as bad_signature,
    coalesce(sum(mismatched), 0)::bigint as mismatched,
    coalesce(sum(first_delivered), 0)::bigint as first_delivered
from together
group by all
having
    {whole}
    or sum(expected) <> 0 or sum(duplicates) <> 0 or sum(mismatched) <> 0 or sum(bad_signature) <> 0

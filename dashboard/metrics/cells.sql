-- Orders per hour of creation and dimensions at $as_of, told apart by maturity, to the unit.
-- Whole hours of maturity come from the roll-up; the hour of $as_of itself from the trades.
with
whole as (
    select * exclude (due_hour), due_hour < shop_hour($as_of::timestamp) as is_matured
    from lake.hourly_orders
    where
        hour between $first_hour::timestamp and $last_hour::timestamp
        and due_hour <> shop_hour($as_of::timestamp)
),
changed as (
    select 1 as sign, *
    from lake.trade
    where
        decided_at >= utc_time(shop_hour($as_of::timestamp))
        and decided_at < utc_time(shop_hour($as_of::timestamp) + interval 1 hour)
        and created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
),
edge as (
    select
        shop_hour(created_at) as hour,
        channel,
        product,
        client,
        store,
        campaign,
        case when ordered_at is not null then settled_outcome end as outcome,
        count(*) filter (where ordered_at is not null) as orders,
        sum(amount_fen) filter (where ordered_at is not null)::bigint as amount_fen,
        count(*) filter (where is_final) as final,
        count(*) filter (where is_final and is_succeeded) as succeeded,
        count(*) filter (where is_final and first_attempt = 'succeeded') as first_succeeded,
        count(*) filter (where first_attempt = 'failed') as first_failed,
        count(*) filter (where is_recovered) as recovered,
        count(*) filter (where paid_at is not null) as expected,
        count(*) filter (where paid_at is not null and is_received) as received,
        count(*) filter (where paid_at is not null and is_received and rung = 0) as first_delivered,
        sum(duplicates)::bigint as duplicates,
        sum(mismatched)::bigint as mismatched,
        count(*) filter (where paid_at is not null and is_refunded_30d) as refunded,
        decided_at <= $as_of::timestamp as is_matured
    from changed
    group by all
)
select * from whole
union all by name
select * from edge

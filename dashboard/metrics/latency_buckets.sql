-- The same as latency.sql from log-spaced buckets (at most 1 % relative error), for many rows.
with
pending as (
    select
        {trade_dims}
        unnest(
            case
                when recognised_at is not null then ['notification']
                when ordered_at is null then ['notification', 'recognition']
                else ['notification', 'recognition', 'end_to_end']
            end
        ) as stage
    from lake.trade
    where
        paid_at > $as_of::timestamp - interval 25 hour
        and not is_received
        and created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
),
counted as (
    select {names} stage, bucket, sum(orders)::bigint as orders
    from (
        select {day_dims} stage, bucket, orders
        from lake.daily_latency
        where day between $first_hour::date and $last_hour::date {filters}
        union all
        select {names} stage, 32767, -1 from pending
    )
    group by all
),
ranked as (
    select
        *,
        sum(orders) over part as upto,
        sum(orders) over whole as total
    from counted
    where bucket >= 0
    window
        part as (partition by {names} stage order by bucket),
        whole as (partition by {names} stage)
),
found as (
    select
        {names}
        stage,
        coalesce(sum(orders) filter (where bucket < 32767), 0)::bigint as count,
        coalesce(sum(orders) filter (where bucket = 32767), 0)::bigint as missing,
        min(bucket) filter (where upto >= 1 + 0.5 * (total - 1)) as b50,
        min(bucket) filter (where upto >= 1 + 0.95 * (total - 1)) as b95,
        min(bucket) filter (where upto >= 1 + 0.99 * (total - 1)) as b99
    from ranked
    group by all
),
skew as (
    select {names} stage, sum(orders)::bigint as skewed from counted where bucket = -1 group by all
)
select
    found.* exclude (b50, b95, b99),
    coalesce(skew.skewed, 0)::bigint as skewed,
    case when b50 = 32767 then 1e15 else bucket_ms(b50) end as p50_ms,
    case when b95 = 32767 then 1e15 else bucket_ms(b95) end as p95_ms,
    case when b99 = 32767 then 1e15 else bucket_ms(b99) end as p99_ms
from found
left join skew on {same}

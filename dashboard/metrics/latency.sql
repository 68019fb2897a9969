-- One row per dimension and stage: measured, missing, skewed, and exact percentiles in
-- milliseconds over measured and missing together (D8, D9). What is missing counts as 1e15.
with
spans as (
    select {trade_dims} unnest([
        struct_pack(stage := 'channel', ms := channel_ms, is_missing := false),
        struct_pack(
            stage := 'notification',
            ms := case when is_received then notification_ms end,
            is_missing := paid_at is not null and not is_received
        ),
        struct_pack(
            stage := 'recognition',
            ms := recognition_ms,
            is_missing := paid_at is not null and recognised_at is null and not is_received
        ),
        struct_pack(
            stage := 'end_to_end',
            ms := end_to_end_ms,
            is_missing := paid_at is not null and ordered_at is not null
            and recognised_at is null and not is_received
        )
    ], recursive := false) as span, paid_at
    from lake.trade
    where
        created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
),
told as (
    select {names} span.stage as stage, span.ms as ms, span.is_missing as is_missing
    from spans
    where
        span.ms is not null
        or (span.is_missing and paid_at <= $as_of::timestamp - interval 25 hour)
    union all
    select {trade_dims} 'api', unnest(api_ms), false
    from lake.trade
    where
        created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
    union all
    select {refund_dims} 'refund', refund_ms, false
    from lake.refund
    where
        refund_ms is not null
        and shop_hour(coalesce(ordered_at, refunded_at))
        between $first_hour::timestamp and $last_hour::timestamp
        {filters}
),
ranked as (
    select
        {names}
        stage,
        case when is_missing then 1e15 else ms end as ms,
        is_missing,
        not is_missing and ms < 0 as is_skewed
    from told
)
select
    {names}
    stage,
    count(*) filter (where not is_missing and not is_skewed) as count,
    count(*) filter (where is_missing) as missing,
    count(*) filter (where is_skewed) as skewed,
    quantile_cont(ms, 0.5) filter (where not is_skewed) as p50_ms,
    quantile_cont(ms, 0.95) filter (where not is_skewed) as p95_ms,
    quantile_cont(ms, 0.99) filter (where not is_skewed) as p99_ms
from ranked
group by all

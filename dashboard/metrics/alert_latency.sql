-- One row per hour of creation and dimension: how many spans of a stage fall into each log-spaced
-- bucket (at most 1 % relative error). What is missing for good falls into bucket 32767.
with
spans as (
    select
        date_trunc('hour', created_at) as begin,
        {dims}
        case when {missing} then 32767 else latency_bucket({span}) end as bucket
    from lake.trade
    where
        created_at >= $begin::timestamp
        and created_at < $end::timestamp
        and ({span} >= 0 or ({missing}))
        {filters}
),
counted as (
    select begin, {names} bucket, count(*) as orders
    from spans
    group by all
)
select
    begin,
    {names}
    list(bucket order by bucket) as buckets,
    list(orders order by bucket) as counts
from counted
group by all
order by begin

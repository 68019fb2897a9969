-- One row per quarter of an hour of creation and dimension: what alerts judge. Orders; those that
-- reached the channel and are settled (a final answer came, or their time is over); those paid.
select
    time_bucket(interval 15 minute, created_at) as begin,
    {dims}
    count(*) filter (where ordered_at is not null)::bigint as orders,
    count(*) filter (
        where submitted_at is not null and (is_final or decided_at <= $as_of::timestamp)
    )::bigint as settled,
    count(*) filter (where submitted_at is not null and is_final and is_succeeded)::bigint as paid
from lake.trade
where
    created_at >= $begin::timestamp
    and created_at < $end::timestamp
    {filters}
group by all
order by begin

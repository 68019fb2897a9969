-- One row per log-spaced bucket of a stage's latency: orders of the period.
select bucket, sum(orders)::bigint as orders
from (
    select bucket, orders
    from lake.daily_latency
    where
        day between $first_hour::date and $last_hour::date
        and stage = $stage {filters}
)
group by bucket
having sum(orders) > 0
order by bucket

-- One row per log-spaced bucket of a stage's latency, from the trades: for filters without a roll-up.
select latency_bucket({stage}_ms) as bucket, count(*) as orders
from lake.trade
where
    created_at >= utc_time($first_hour::timestamp)
    and created_at < utc_time($last_hour::timestamp + interval 1 hour)
    and {stage}_ms is not null {filters}
group by bucket
order by bucket

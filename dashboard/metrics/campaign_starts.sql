-- One row per campaign: the shop hour it began in by the end of the period. A campaign that was silent
-- for four weeks begins anew (D30).
with
hours as (
    select
        campaign,
        hour
    from lake.hourly_orders
    where
        campaign is not null
        and hour <= least($last_hour::timestamp, shop_hour($as_of::timestamp))
    group by all
    having sum(orders) > 0
),
runs as (
    select
        *,
        lag(hour) over (partition by campaign order by hour) as hour_before
    from hours
)
select
    campaign,
    max(hour) as begun,
    utc_time(max(hour)) as begun_at
from runs
where hour_before is null or hour - hour_before >= interval 28 day
group by campaign

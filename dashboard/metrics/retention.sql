-- One row per cohort of first purchase, dimension and period: its buyers who bought in the period,
-- and their net purchases. With $new_from: buyers first seen before it are not provably new.
with
{orders},
cohorts as (
    select
        buyer_key,
        date_trunc('{grain}', shop_time(first_at))::date as cohort,
        {first_dims}
        first_at < $new_from::timestamp as is_unproven
    from firsts
    where
        first_at >= utc_time($first_hour::timestamp)
        and first_at < utc_time($last_hour::timestamp + interval 1 hour)
        {first_filters}
),
active as (
    select
        cohorts.*,
        date_diff('{grain}', cohort, date_trunc('{grain}', shop_time(paid_at))::date) as period,
        sum(net_fen)::bigint as net_fen
    from bought
    inner join cohorts using (buyer_key)
    group by all
)
select
    * exclude (buyer_key, net_fen),
    count(*) as returned,
    sum(net_fen)::bigint as net_fen
from active
where period <= {horizon}
group by all
order by cohort, period

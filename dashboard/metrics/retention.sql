-- One row per cohort of first purchase, dimension and period: its buyers who bought in the period,
-- and their net purchases. Cohort and period are numbers of weeks or months. One pass over the
-- purchases, the rest over a row per buyer and period.
with
{orders},
periods as (
    select
        buyer_key,
        {period} as place,
        min(paid_at) as begins_at,
        sum(net_fen)::bigint as net_fen
        {first_order}
    from bought
    group by all
),
cohorts as (
    select
        buyer_key,
        min(begins_at) as first_at,
        min(place) as cohort
        {first_of_period}
    from periods
    group by buyer_key
),
chosen as (
    select
        buyer_key,
        cohort,
        {first_dims}
        first_at < $new_from::timestamp as is_unproven
    from cohorts
    where
        first_at >= utc_time($first_hour::timestamp)
        and first_at < utc_time($last_hour::timestamp + interval 1 hour)
        {first_filters}
)
select
    chosen.* exclude (buyer_key),
    place - cohort as period,
    count(*) as returned,
    sum(net_fen)::bigint as net_fen
from periods
inner join chosen using (buyer_key)
group by all
order by cohort, period

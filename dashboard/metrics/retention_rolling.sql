-- One row per cohort of first purchase and last period with a purchase up to {horizon}.
with
{orders},
cohorts as (
    select
        buyer_key,
        date_trunc('{grain}', shop_time(first_at))::date as cohort,
        first_at < $new_from::timestamp as is_unproven
    from firsts
    where
        first_at >= utc_time($first_hour::timestamp)
        and first_at < utc_time($last_hour::timestamp + interval 1 hour)
        {first_filters}
),
lasts as (
    select
        buyer_key,
        cohort,
        is_unproven,
        max(date_diff('{grain}', cohort, date_trunc('{grain}', shop_time(paid_at))::date)) as period
    from bought
    inner join cohorts using (buyer_key)
    where date_diff('{grain}', cohort, date_trunc('{grain}', shop_time(paid_at))::date) <= {horizon}
    group by all
)
select cohort, is_unproven, period, count(*) as buyers
from lasts
group by all

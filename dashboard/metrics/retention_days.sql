-- One row per cohort of first purchase and day N of {days}: buyers whose window [24N, 24N + 24) h
-- after the first payment has ended, and of these who bought in it (D17).
with
{orders},
cohorts as (
    select
        buyer_key,
        first_at,
        date_trunc('{grain}', shop_time(first_at))::date as cohort,
        first_at < $new_from::timestamp as is_unproven
    from firsts
    where
        first_at >= utc_time($first_hour::timestamp)
        and first_at < utc_time($last_hour::timestamp + interval 1 hour)
        {first_filters}
),
windows as (
    select *, unnest({days}) as day_n from cohorts
),
hits as (
    select distinct
        buyer_key,
        date_diff('second', first_at, paid_at) // 86400 as day_n
    from bought
    inner join cohorts using (buyer_key)
)
select
    cohort,
    is_unproven,
    day_n as period,
    count(*) as buyers,
    count(*) filter (where first_at + to_hours(24 * (day_n + 1)) <= $as_of::timestamp) as ended,
    count(*) filter (where hits.buyer_key is not null) as returned
from windows
left join hits using (buyer_key, day_n)
group by all

-- A CTE after `firsts`: one row per buyer whose first purchase lies in the period, with its cohort.
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
)

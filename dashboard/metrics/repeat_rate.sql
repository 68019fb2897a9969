-- One row per dimension: buyers whose first purchase is at least 90 days before $as_of, and of these
-- the ones with another within 90 days of it (D19).
with
{orders},
chosen as (
    select *
    from firsts
    where
        first_at >= utc_time($first_hour::timestamp)
        and first_at < utc_time($last_hour::timestamp + interval 1 hour)
        {first_filters}
),
purchases as (
    select
        buyer_key,
        bool_or(paid_at > first_at and paid_at <= first_at + interval 90 day)
        or sum(orders) filter (where paid_at = first_at) > 1 as is_repeated
    from bought
    inner join chosen using (buyer_key)
    group by buyer_key
)
select
    {first_time_dims}
    first_at < $new_from::timestamp as is_unproven,
    first_at > $as_of::timestamp - interval 90 day as is_young,
    count(*) as buyers,
    count(*) filter (where is_repeated) as repeated
from chosen
inner join purchases using (buyer_key)
group by all

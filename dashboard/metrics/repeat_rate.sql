-- One row per dimension: buyers whose first purchase is at least 90 days before $as_of, and of these
-- the ones with another within 90 days of it (D19).
with
{histories}
select
    {first_time_dims}
    first_at < $new_from::timestamp as is_unproven,
    first_at > $as_of::timestamp - interval 90 day as is_young,
    count(*) as buyers,
    count(*) filter (where second_at <= first_at + interval 90 day) as repeated
from histories
where
    first_at >= utc_time($first_hour::timestamp)
    and first_at < utc_time($last_hour::timestamp + interval 1 hour)
    {first_filters}
group by all

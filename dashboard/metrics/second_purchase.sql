-- One row per group, day and whether it came: buyers whose second purchase came that many days after
-- the first, or has not come until $as_of (D28).
with
{histories}
select
    {group_dims}
    second_at is not null as came,
    date_diff('second', first_at, coalesce(second_at, $as_of::timestamp)) // 86400 as days,
    count(*) as buyers
from histories
where
    first_at >= utc_time($first_hour::timestamp)
    and first_at < utc_time($last_hour::timestamp + interval 1 hour)
    and first_at >= $new_from::timestamp
    {first_filters}
group by all

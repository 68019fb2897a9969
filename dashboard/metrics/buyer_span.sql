-- One row per whole days between a buyer's purchases in the first $calibrated_days days, with how many
-- such gaps; and when the buyers' history begins (start of a shop day).
with
{histories},
begun as (
    select utc_time(shop_day(min(begun_at))::timestamp) as begins_at from histories
)
select begun.begins_at, gap_days, sum(gaps)::bigint as gaps
from begun
left join gaps on day < shop_day(begins_at) + $calibrated_days::integer
group by all
order by gap_days

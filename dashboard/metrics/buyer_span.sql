-- One row per whole days between a buyer's purchases in the first $calibrated_days days, with how many
-- such gaps; and when the buyers' history begins (start of a shop day).
with
{histories},
begun as (
    select utc_time(shop_day(min(begun_at))::timestamp) as begins_at from histories
),
counted as (
    select gap_days, sum(gaps)::bigint as gaps
    from gaps
    where day < (select shop_day(begins_at) from begun) + $calibrated_days::integer
    group by gap_days
)
select begins_at, gap_days, gaps
from begun
left join counted on true
order by gap_days

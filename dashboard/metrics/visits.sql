-- One row per history of the buyers up to $until: repeat days, days from the first purchase to
-- the last and to $until, mean net amount of repeat days, and purchase days after it, by week.
with
{orders},
days as (
    select buyer_key, shop_day(paid_at) as day, sum(net_fen)::bigint as net_fen
    from bought
    where buyer_key % $share::ubigint = 0 {filters}
    group by all
),
begun as (
    select
        buyer_key,
        min(day) as first_day,
        max(day) filter (where day <= $until::date) as last_day,
        count(*) filter (where day <= $until::date) - 1 as repeats,
        coalesce(sum(net_fen) filter (where day <= $until::date), 0) - arg_min(net_fen, day)
            as repeat_fen,
        list(((day - $until::date) - 1) // 7 order by day) filter (where day > $until::date) as ahead
    from days
    group by buyer_key
)
select
    repeats,
    (last_day - first_day) as last_day,
    ($until::date - first_day) as age,
    case when repeats > 0 then (repeat_fen // repeats)::bigint end as mean_fen,
    coalesce(ahead, []) as ahead,
    utc_time(first_day::timestamp) >= $new_from::timestamp as is_proven,
    count(*) as buyers
from begun
where first_day <= $until::date
group by all

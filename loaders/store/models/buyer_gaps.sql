-- One row per shop day of a purchase that is not a buyer's first, and days since the one before it,
-- begun ones counted whole: how many in `{orders}` (D18).
with
spaced as (
    select
        paid_at,
        date_diff(
            'second', lag(paid_at) over (partition by buyer_key order by paid_at), paid_at
        ) as gap_s
    from {orders}
    where paid_at is not null
)
select shop_day(paid_at) as day, ((gap_s + 86399) // 86400)::integer as gap_days, count(*)::bigint as gaps
from spaced
where gap_s is not null
group by all

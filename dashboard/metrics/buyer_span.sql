-- One row: when the buyers' history begins (start of a shop day), and the 95th percentile of the
-- days between a buyer's purchases in the first $calibrated_days days (of one in $share buyers).
with
{orders},
begun as (
    select utc_time(shop_day(min(created_at))::timestamp) as begins_at from ordered
),
gaps as (
    select
        date_diff(
            'second', lag(paid_at) over (partition by buyer_key order by paid_at), paid_at
        ) / 86400.0 as gap_days
    from bought
    where
        buyer_key % $share::ubigint = 0
        and paid_at < (select begins_at from begun) + to_days($calibrated_days::integer)
)
select begun.begins_at, quantile_cont(gap_days, 0.95) as gap_days
from begun
left join gaps on gap_days is not null
group by begun.begins_at

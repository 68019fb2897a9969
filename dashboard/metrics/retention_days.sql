-- One row per cohort of first purchase and day N of {days}, up to day M of {last_days}: buyers whose
-- window [24N, 24M + 24) h after the first payment has ended, of these who bought in it, and for how
-- much net (D17).
with
{orders},
{cohorts},
windows as (
    select *, unnest({days}) as day_n, unnest({last_days}) as last_day from cohorts
),
hits as (
    select
        buyer_key,
        date_diff('second', first_at, paid_at) // 86400 as day,
        sum(net_fen)::bigint as net_fen
    from bought
    inner join cohorts using (buyer_key)
    group by all
)
select
    cohort,
    is_unproven,
    day_n as period,
    count(distinct windows.buyer_key) as buyers,
    count(distinct windows.buyer_key) filter (
        where first_at + to_hours(24 * (last_day + 1)) <= $as_of::timestamp
    ) as ended,
    count(distinct hits.buyer_key) as returned,
    coalesce(sum(net_fen), 0)::bigint as net_fen
from windows
left join hits
    on windows.buyer_key = hits.buyer_key and hits.day between windows.day_n and windows.last_day
group by all

-- One row per shop day of a purchase and days since the one before it: what `buyer_delta` adds to
-- `buyer_gaps` for the buyers of `later_buyers`.
with
bought as (
    select distinct
        buyer_key, created_at, paid_at, channel, product, client, store, campaign, first_attempt,
        first_reason
    from buyer_delta
    semi join later_buyers using (buyer_key)
    where paid_at is not null and orders > 0
),
spaced as (
    select
        paid_at,
        date_diff(
            'second',
            coalesce(lag(paid_at) over (partition by buyer_key order by paid_at), last_at),
            paid_at
        ) as gap_s
    from bought
    inner join buyers_before using (buyer_key)
)
select shop_day(paid_at) as day, ((gap_s + 86399) // 86400)::integer as gap_days, count(*)::bigint as gaps
from spaced
group by all

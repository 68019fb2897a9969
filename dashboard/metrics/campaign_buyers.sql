-- One row per dimension, shop day of creation, campaign and group: purchases of known buyers, and of
-- these the first ones of buyers who are provably new (D18, D30).
with
{orders},
first_ones as (
    select
        buyer_key,
        min(paid_at) as paid_at,
        arg_min(created_at, (paid_at, created_at)) as created_at
    from bought
    group by buyer_key
),
placed as (
    select
        {dims}
        shop_day(bought.created_at) as day,
        bought.campaign,
        coalesce(bought.is_holdout, false) as is_holdout,
        bought.orders,
        bought.paid_at >= $new_from::timestamp
        and bought.created_at = first_ones.created_at
        and bought.paid_at = first_ones.paid_at as is_first
    from bought
    inner join first_ones using (buyer_key)
    where
        bought.created_at >= utc_time($first_hour::timestamp)
        and bought.created_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
)
select
    {names}
    day,
    campaign,
    is_holdout,
    sum(orders)::bigint as purchases,
    count(*) filter (where is_first) as new_buyers
from placed
group by all

-- One row per dimension: buyers of the period, and of these the returning (an earlier purchase, D19),
-- the new, and those not provably new; with their net purchases.
with
{histories},
spent as (
    select
        {time_dims}
        {cell_start} as starts_at,
        buyer_key,
        sum(net_fen)::bigint as net_fen
    from purchases
    where
        paid_at >= utc_time($first_hour::timestamp)
        and paid_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
    group by all
    having sum(orders) > 0
)
select
    {names}
    count(*) as buyers,
    count(*) filter (where first_at >= starts_at and first_at >= $new_from::timestamp) as new_buyers,
    count(*) filter (where first_at < starts_at) as returning_buyers,
    count(*) filter (where first_at >= starts_at and first_at < $new_from::timestamp) as unproven,
    coalesce(sum(net_fen) filter (where first_at >= starts_at and first_at >= $new_from::timestamp), 0)
        ::bigint as new_fen,
    coalesce(sum(net_fen) filter (where first_at < starts_at), 0)::bigint as returning_fen
from spent
inner join histories using (buyer_key)
group by all

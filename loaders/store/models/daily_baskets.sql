-- One row per day of creation, channel, item and another item of the same purchase: what `changed`
-- adds. `other` is null on the rows that count the item itself, `item` on those that count purchases.
with
baskets as (
    select sign, shop_day(created_at) as day, channel, items
    from changed
    where
        created_at is not null
        and paid_at is not null
        and not coalesce(refunded_fen > 0 and refunded_fen >= amount_fen, false)
        and len(items) > 0
),
one as (
    select sign, day, channel, items, unnest(items) as one from baskets
),
two as (
    select sign, day, channel, one.item as item, unnest(items).item as other from one
),
counted as (
    select sign, day, channel, null::varchar as item, null::varchar as name, null::varchar as other
    from baskets
    union all
    select sign, day, channel, one.item, one.name, null from one
    union all
    select sign, day, channel, item, null, other from two where item <> other
)
select day, channel, item, name, other, sum(sign)::bigint as orders
from counted
group by all
having sum(sign) <> 0
order by day

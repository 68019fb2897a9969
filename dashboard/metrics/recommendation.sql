-- One row: buyers with a purchase before $cut and one after it, and for how many of them the first
-- purchase after it holds an item of the list, and of the most popular {shown}.
with
{pairs},
bought_items as (
    select
        id_hash(channel || ':' || buyer)::ubigint as buyer_key,
        paid_at,
        unnest(items).item as item
    from lake.trade
    where
        buyer is not null
        and paid_at >= $begin::timestamp
        and paid_at <= $as_of::timestamp
        and not (refunded_fen > 0 and refunded_fen >= amount_fen)
        and id_hash(channel || ':' || buyer)::ubigint % $share::ubigint = 0
        {basket_filters}
),
returned as (
    select buyer_key, min(paid_at) filter (where paid_at >= $cut::timestamp) as next_at
    from bought_items
    group by buyer_key
    having next_at is not null and min(paid_at) < $cut::timestamp
),
history as (
    select distinct buyer_key, item
    from bought_items
    semi join returned using (buyer_key)
    where paid_at < $cut::timestamp
),
{ranked},
outcomes as (
    select
        ranked.buyer_key,
        coalesce(bool_or(place <= {shown} and bought_items.item is not null), false) as is_hit,
        coalesce(bool_or(popular_place <= {shown} and bought_items.item is not null), false)
            as is_popular_hit
    from ranked
    inner join returned using (buyer_key)
    left join bought_items
        on ranked.buyer_key = bought_items.buyer_key
        and bought_items.paid_at = returned.next_at
        and ranked.item = bought_items.item
    group by ranked.buyer_key
)
select
    count(*) as buyers,
    count(*) filter (where is_hit) as hits,
    count(*) filter (where is_popular_hit) as popular_hits,
    count(*) filter (where is_hit <> is_popular_hit) as apart
from outcomes

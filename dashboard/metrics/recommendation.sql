-- One row: buyers whose last purchase of the time from $since until before $until is held out, and for
-- how many of them it holds an item of their list, and of the {listed} most popular they do not have.
-- Lists are made at the begin of the month of the purchase held out, from what was bought before that
-- moment; purchases that are held out, whoever's, are learnt from nowhere.
with
own as (
    select buyer_key, paid_at, item, max(name) as name
    from lake.buyer_items
    where
        paid_at < $until::timestamp
        and buyer_key % $share::ubigint = 0
        {item_filters}
    group by buyer_key, paid_at, item
    having sum(orders) > 0
),
lasts as (
    select
        buyer_key,
        max(paid_at) as last_at,
        utc_time(date_trunc('month', shop_time(max(paid_at)))) as until
    from own
    group by buyer_key
    having min(paid_at) < max(paid_at) and max(paid_at) >= $since::timestamp
),
firsts as (
    select own.buyer_key, own.item, max(own.name) as name, min(own.paid_at) as first_at
    from own
    left join lasts using (buyer_key)
    where
        own.paid_at >= $since::timestamp
        and (lasts.last_at is null or own.paid_at < lasts.last_at)
    group by own.buyer_key, own.item
),
models as (
    select distinct until from lasts
),
{pairs},
history as (
    select distinct own.buyer_key, lasts.until, own.item
    from own
    inner join lasts using (buyer_key)
    where own.paid_at < lasts.last_at
),
{ranked},
outcomes as (
    select
        ranked.buyer_key,
        coalesce(bool_or(place <= {listed} and own.item is not null), false) as is_hit,
        coalesce(bool_or(popular_place <= {listed} and own.item is not null), false)
            as is_popular_hit
    from ranked
    inner join lasts using (buyer_key)
    left join own
        on ranked.buyer_key = own.buyer_key
        and own.paid_at = lasts.last_at
        and ranked.item = own.item
    group by ranked.buyer_key
)
select
    count(*) as buyers,
    count(*) filter (where is_hit) as hits,
    count(*) filter (where is_popular_hit) as popular_hits,
    count(*) filter (where is_hit <> is_popular_hit) as apart,
    (select count(*) from lasts) as held
from outcomes

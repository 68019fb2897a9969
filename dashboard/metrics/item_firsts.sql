-- One row per buyer and item of the purchases from $since until before $until: the first time. Of a
-- large store every $share-th buyer, chosen by key.
select buyer_key, item, arg_max(name, paid_at) as name, min(paid_at) as first_at
from (
    select buyer_key, item, paid_at, max(name) as name
    from lake.buyer_items
    where
        paid_at >= $since::timestamp
        and paid_at < $until::timestamp
        and buyer_key % $share::ubigint = 0
        {item_filters}
    group by buyer_key, item, paid_at
    having sum(orders) > 0
)
group by buyer_key, item

-- One row per buyer of `later_buyers`: the history of `buyers_before` with what `buyer_delta` adds.
select
    buyer_key,
    begun_at,
    any_value(begun_order) as begun_order,
    any_value(is_back_30) or coalesce(
        bool_or(orders > 0 and paid_at <= begun_at + interval 30 day), false
    ) as is_back_30,
    any_value(is_back_90) or coalesce(
        bool_or(orders > 0 and paid_at <= begun_at + interval 90 day), false
    ) as is_back_90,
    (
        any_value(net_90_fen) + coalesce(
            sum(net_fen) filter (
                where created_at > begun_at and paid_at <= begun_at + interval 90 day
            ), 0
        )
    )::bigint as net_90_fen,
    first_at,
    any_value(first_order) as first_order,
    coalesce(any_value(second_at), min(paid_at) filter (where orders > 0)) as second_at,
    coalesce(max(paid_at) filter (where orders > 0), last_at) as last_at
from buyer_delta
inner join buyers_before using (buyer_key)
semi join later_buyers using (buyer_key)
group by buyer_key, begun_at, first_at, last_at

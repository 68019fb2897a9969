-- One row per item of a purchase (paid and not fully refunded) of a known buyer: what `changed` adds.
with
bought as (
    select
        sign,
        paid_at,
        channel,
        id_hash(channel || ':' || buyer)::ubigint as buyer_key,
        unnest(items) as one
    from changed
    where
        buyer is not null
        and created_at is not null
        and paid_at is not null
        and not coalesce(refunded_fen > 0 and refunded_fen >= amount_fen, false)
        and len(items) > 0
)
select
    paid_at,
    channel,
    buyer_key,
    one.item as item,
    one.name as name,
    sum(sign)::bigint as orders
from bought
group by all
having sum(sign) <> 0
order by paid_at

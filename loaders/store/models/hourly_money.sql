-- One row per hour of payment or refund and dimensions: money in and money back.
with
movements as (
    select
        shop_hour(paid_at) as hour,
        channel,
        product,
        client,
        store,
        campaign,
        sign as paid,
        sign * amount_fen as paid_fen,
        0 as refunds,
        0 as refunded_fen
    from changed
    where paid_at is not null
    union all
    select
        shop_hour(refunded_at),
        channel,
        product,
        client,
        store,
        campaign,
        0,
        0,
        sign,
        sign * amount_fen
    from changed_refund
    where refunded_at is not null
)
select
    hour,
    channel,
    product,
    client,
    store,
    campaign,
    sum(paid)::bigint as paid,
    sum(paid_fen)::bigint as paid_fen,
    sum(refunds)::bigint as refunds,
    sum(refunded_fen)::bigint as refunded_fen
from movements
group by all
having sum(paid) <> 0 or sum(paid_fen) <> 0 or sum(refunds) <> 0 or sum(refunded_fen) <> 0
order by hour

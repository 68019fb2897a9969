-- One row per buyer of `{orders}`: the first order and what came of it in 30 and 90 days, the first
-- purchase, the second and the last. Without a purchase, the latter are null. Of two at one moment, always the
-- same one is the first, so that what is taken out later is what was put in.
with
packed as (
    select
        buyer_key,
        created_at,
        paid_at,
        struct_pack(
            product := product, client := client, store := store, campaign := campaign,
            channel := channel, first_attempt := first_attempt
        ) as dims,
        struct_pack(
            product := product, client := client, store := store, campaign := campaign,
            channel := channel, first_attempt := first_attempt, first_reason := first_reason
        ) as begun_dims
    from {orders}
),
begun as (
    select
        buyer_key,
        min(created_at) as begun_at,
        arg_min(begun_dims, (created_at, begun_dims)) as begun_order,
        min(paid_at) as first_at,
        max(paid_at) as last_at,
        arg_min(dims, (paid_at, created_at, dims)) filter (where paid_at is not null) as first_order
    from packed
    group by buyer_key
),
later as (
    select
        buyer_key,
        coalesce(sum(orders) filter (where paid_at = first_at), 0) as at_first,
        min(paid_at) filter (where paid_at > first_at) as next_at,
        coalesce(
            bool_or(created_at > begun_at and paid_at <= begun_at + interval 30 day), false
        ) as is_back_30,
        coalesce(
            bool_or(created_at > begun_at and paid_at <= begun_at + interval 90 day), false
        ) as is_back_90,
        coalesce(
            sum(net_fen) filter (
                where created_at > begun_at and paid_at <= begun_at + interval 90 day
            ), 0
        )::bigint as net_90_fen
    from {orders}
    inner join begun using (buyer_key)
    group by buyer_key
)
select
    buyer_key,
    begun_at,
    begun_order,
    is_back_30,
    is_back_90,
    net_90_fen,
    first_at,
    first_order,
    case when at_first > 1 then first_at else next_at end as second_at,
    last_at
from begun
inner join later using (buyer_key)

-- One row per shop day of the first purchase and its dimensions, grain (week, month) and so many of
-- these after it: buyers of `{orders}` who bought then, and their net purchases (D16).
with
places as (
    select
        buyer_key,
        paid_at,
        net_fen,
        created_at,
        struct_pack(
            product := product, client := client, store := store, campaign := campaign,
            channel := channel
        ) as dims,
        unnest([
            {'grain': 'week', 'place': {week(paid_at)}},
            {'grain': 'month', 'place': {month(paid_at)}}
        ], recursive := true)
    from {orders}
    where paid_at is not null
),
periods as (
    select
        buyer_key,
        grain,
        place,
        min(paid_at) as begins_at,
        arg_min(dims, (paid_at, created_at, dims)) as first_order,
        sum(net_fen)::bigint as net_fen
    from places
    group by all
),
firsts as (
    select
        buyer_key,
        grain,
        min(place) as cohort,
        shop_day(min(begins_at)) as first_day,
        arg_min(first_order, place) as first_order
    from periods
    group by all
)
select
    grain,
    first_day,
    firsts.first_order.product as product,
    firsts.first_order.client as client,
    firsts.first_order.store as store,
    firsts.first_order.campaign as campaign,
    firsts.first_order.channel as channel,
    (place - cohort)::integer as period,
    count(*)::bigint as returned,
    sum(net_fen)::bigint as net_fen
from periods
inner join firsts using (buyer_key, grain)
group by all

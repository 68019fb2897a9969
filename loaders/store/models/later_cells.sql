-- One row per shop day of the first purchase, its dimensions, grain and so many of these after it: what
-- `buyer_delta` adds to `buyer_cells` for `later_buyers`. All they bought is later than what they had
-- bought before: only where the last of that stands they are counted already.
with
placed as (
    select
        buyer_key,
        first_at,
        first_order,
        orders,
        net_fen,
        unnest([
            {
                'grain': 'week', 'place': {week(paid_at)}, 'first': {week(first_at)},
                'last': {week(last_at)}
            },
            {
                'grain': 'month', 'place': {month(paid_at)}, 'first': {month(first_at)},
                'last': {month(last_at)}
            }
        ], recursive := true)
    from buyer_delta
    inner join buyers_before using (buyer_key)
    semi join later_buyers using (buyer_key)
    where paid_at is not null
),
periods as (
    select
        grain,
        shop_day(first_at) as first_day,
        any_value(first_order) as first_order,
        place - "first" as period,
        (bool_or(orders > 0) and place <> "last")::bigint as returned,
        sum(net_fen)::bigint as net_fen
    from placed
    group by buyer_key, first_at, grain, place, "first", "last"
)
select
    grain,
    first_day,
    periods.first_order.product as product,
    periods.first_order.client as client,
    periods.first_order.store as store,
    periods.first_order.campaign as campaign,
    periods.first_order.channel as channel,
    period::integer as period,
    sum(returned)::bigint as returned,
    sum(net_fen)::bigint as net_fen
from periods
group by all
having sum(returned) <> 0 or sum(net_fen) <> 0

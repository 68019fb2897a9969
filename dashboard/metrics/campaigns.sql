-- One row per dimension, campaign, group and cell (hour of the week, product, client) of the orders
-- chosen, and per hour where `hour` is asked for: orders created, matured and paid at $as_of, what was
-- paid and what the bills say the shop gave off, with the sums of squares that intervals need (D30).
with
placed as (
    select
        {dims}
        campaign,
        coalesce(is_holdout, false) as is_holdout,
        {hour} as at_hour,
        (isodow(shop_time(created_at)) - 1) * 24 + hour(shop_time(created_at)) as slot,
        product as cell_product,
        client as cell_client,
        decided_at <= $as_of::timestamp as is_matured,
        settled_outcome = 'paid' and decided_at <= $as_of::timestamp as is_paid,
        amount_fen,
        amount_fen - receipt_fen as off_fen
    from lake.trade
    where
        ordered_at is not null
        and created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        and created_at <= $as_of::timestamp
        and {chosen}
        {filters}
)
select
    {names}
    campaign,
    is_holdout,
    at_hour,
    slot,
    cell_product,
    cell_client,
    count(*) as orders,
    count(*) filter (where is_matured) as matured,
    count(*) filter (where is_paid) as paid,
    coalesce(sum(amount_fen) filter (where is_paid), 0)::bigint as paid_fen,
    coalesce(sum(amount_fen::hugeint * amount_fen) filter (where is_paid), 0)::hugeint as paid_squares,
    count(off_fen) filter (where is_paid) as known_off,
    coalesce(sum(off_fen) filter (where is_paid), 0)::bigint as off_fen,
    coalesce(sum(off_fen::hugeint * off_fen) filter (where is_paid), 0)::hugeint as off_squares
from placed
group by all

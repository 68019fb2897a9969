-- One row per dimension, shop day, campaign and group: orders created, matured and paid at $as_of,
-- what was paid and given off, with the sums of squares that intervals need (D30).
with
placed as (
    select
        {dims}
        shop_day(created_at) as day,
        campaign,
        coalesce(is_holdout, false) as is_holdout,
        decided_at <= $as_of::timestamp as is_matured,
        settled_outcome = 'paid' and decided_at <= $as_of::timestamp as is_paid,
        amount_fen,
        case
            when receipt_fen is not null or discount_fen is not null
                then coalesce(discount_fen, 0) + coalesce(amount_fen - receipt_fen, 0)
        end as off_fen
    from lake.trade
    where
        ordered_at is not null
        and created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        and created_at <= $as_of::timestamp
        {filters}
)
select
    {names}
    day,
    campaign,
    is_holdout,
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

-- What is kept of the buyers, as of $as_of: `histories`, `cells` and `gaps`. Buyers of whom something
-- happened after it are taken out and made anew of their orders.
{restated},
unsettled as materialized (
    select buyer_key from lake.buyer_orders where created_at > $as_of::timestamp
    union
    select buyer_key from lake.buyer_orders where paid_at > $as_of::timestamp
    union
    select buyer_key from restated
),
-- Where each of their orders stands is looked for in one column first.
places as materialized (
    select rowid as place from lake.buyer_orders semi join unsettled using (buyer_key)
),
known as materialized (
    select *, false as is_restated
    from lake.buyer_orders
    where rowid in (select place from places)
    union all by name
    select *, true as is_restated from restated where buyer_key is not null
),
orders_now as materialized ({orders_now}),
orders_then as materialized (
    select * replace (
        case when paid_at <= $as_of::timestamp then paid_at end as paid_at,
        case when paid_at <= $as_of::timestamp then net_fen else 0 end as net_fen
    )
    from ({orders_known})
    where created_at <= $as_of::timestamp
),
histories as not materialized (
    select * from lake.buyer_histories anti join unsettled using (buyer_key)
    union all by name
    select * from ({histories_then})
),
cells as not materialized (
    select * from lake.buyer_cells
    union all by name
    select * from ({cells_then})
    union all by name
    select * replace (-returned as returned, -net_fen as net_fen) from ({cells_now})
),
gaps as not materialized (
    select * from lake.buyer_gaps
    union all by name
    select * from ({gaps_then})
    union all by name
    select * replace (-gaps as gaps) from ({gaps_now})
)

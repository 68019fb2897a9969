-- What is kept of the buyers, as of the asked: `histories`, `cells` and `gaps`; and `purchases`, their
-- signed purchases (D15). Buyers of whom something happened after it are taken from what is held.
histories as not materialized (
    select * from lake.buyer_histories anti join memory.unsettled_{held} using (buyer_key)
    union all by name
    select * from memory.histories_{held}
),
cells as not materialized (
    select * from lake.buyer_cells
    union all by name
    select * from memory.cells_{held}
),
gaps as not materialized (
    select * from lake.buyer_gaps
    union all by name
    select * from memory.gaps_{held}
),
purchases as not materialized (
    select * exclude (buyer, is_holdout, consent)
    from lake.buyer_orders
    anti join memory.unsettled_{held} using (buyer_key)
    where buyer_key is not null and paid_at is not null
    union all by name
    select * from memory.orders_{held} where paid_at is not null
)

-- Tables in memory by which what is kept of the buyers is as of $as_of: buyers of whom something
-- happened after it (`unsettled`), and what is to be said of these instead.
create temp table restated as
with
{restated}
select * from restated;
create table memory.unsettled_{held} as
select buyer_key from lake.buyer_orders where created_at > $as_of::timestamp and buyer_key is not null
union
select buyer_key from lake.buyer_orders where paid_at > $as_of::timestamp and buyer_key is not null
union
select buyer_key from restated where buyer_key is not null;
-- Where each of their orders stands is looked for in one column first.
create temp table known as
with
places as materialized (
    select rowid as place from lake.buyer_orders semi join memory.unsettled_{held} using (buyer_key)
)
select *, false as is_restated
from lake.buyer_orders
where rowid in (select place from places)
union all by name
select *, true as is_restated from restated where buyer_key is not null;
create temp table orders_now as {orders_now};
create table memory.orders_{held} as
select * replace (
    case when paid_at <= $as_of::timestamp then paid_at end as paid_at,
    case when paid_at <= $as_of::timestamp then net_fen else 0 end as net_fen
)
from ({orders_known})
where created_at <= $as_of::timestamp;
create table memory.histories_{held} as {histories_then};
create table memory.cells_{held} as
select * from ({cells_then})
union all by name
select * replace (-returned as returned, -net_fen as net_fen) from ({cells_now});
create table memory.gaps_{held} as
select * from ({gaps_then})
union all by name
select * replace (-gaps as gaps) from ({gaps_now});
create table memory.nameless_{held} as
select coalesce(sum(orders), 0)::bigint as orders
from lake.buyer_orders
where buyer_key is null and paid_at <= $as_of::timestamp;

-- One row: buyers, purchases and net amount as of $as_of.
with
{orders}
select
    count(distinct buyer_key) as buyers,
    coalesce(sum(orders), 0)::bigint as orders,
    coalesce(sum(net_fen), 0)::bigint as net_fen
from bought
where true {filters}

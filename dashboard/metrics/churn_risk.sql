-- One row per risk as of $as_of: buyers and their net purchases (D27).
with
{orders},
{risks}
select
    risk,
    count(*) as buyers,
    sum(net_fen)::bigint as net_fen
from judged
group by all

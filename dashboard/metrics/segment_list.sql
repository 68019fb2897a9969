-- One row per buyer of $segment as of $as_of, the most valuable first.
with
{scored}
select channel, buyer, last_at as last_paid_at, orders, net_fen, recency, frequency, value
from scored
where segment = $segment
order by net_fen desc, buyer
limit $limit

-- One row per segment and scores of recency, frequency and value: its buyers as of $as_of (D20, D26).
with
{scored}
select
    segment,
    recency,
    frequency,
    value,
    count(*) as buyers,
    sum(orders)::bigint as orders,
    sum(net_fen)::bigint as net_fen,
    min(mean_fen) as least_mean_fen
from scored
group by all
order by segment, recency, frequency, value

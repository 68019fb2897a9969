-- One row per cohort of first purchase and period up to {horizon}: buyers whose last purchase up to
-- there is in it, and the net amount of all purchases in it.
with
{orders},
{cohorts},
periods as (
    select
        buyer_key,
        cohort,
        is_unproven,
        date_diff('{grain}', cohort, date_trunc('{grain}', shop_time(paid_at))::date) as period,
        sum(net_fen)::bigint as net_fen
    from bought
    inner join cohorts using (buyer_key)
    where date_diff('{grain}', cohort, date_trunc('{grain}', shop_time(paid_at))::date) <= {horizon}
    group by all
)
select
    cohort,
    is_unproven,
    period,
    count(*) filter (where is_last) as buyers,
    sum(net_fen)::bigint as net_fen
from (select *, period = max(period) over (partition by buyer_key) as is_last from periods)
group by all

-- One row per month of those from $first_month to $last_month: its buyers, and of these the returning,
-- the new, and those not provably new; with their net purchases (D19).
with
{histories},
placed as (
    select
        (date_trunc('month', first_day) + to_months(period))::date as begins,
        period > 0 as is_back,
        first_day >= shop_day($new_from::timestamp) as is_proven,
        returned,
        net_fen
    from cells
    where grain = 'month'
)
select
    strftime(begins, '%Y-%m') as month,
    sum(returned)::bigint as buyers,
    coalesce(sum(returned) filter (where not is_back and is_proven), 0)::bigint as new_buyers,
    coalesce(sum(returned) filter (where is_back), 0)::bigint as returning_buyers,
    coalesce(sum(returned) filter (where not is_back and not is_proven), 0)::bigint as unproven,
    coalesce(sum(net_fen) filter (where not is_back and is_proven), 0)::bigint as new_fen,
    coalesce(sum(net_fen) filter (where is_back), 0)::bigint as returning_fen
from placed
where begins between $first_month::date and $last_month::date
group by begins
having sum(returned) > 0

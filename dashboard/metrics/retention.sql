-- One row per cohort of first purchase, dimension and period: its buyers who bought in the period,
-- and their net purchases. Cohort and period are numbers of weeks or months.
with
{histories}
select
    {cohort} as cohort,
    {names}
    first_day < shop_day($new_from::timestamp) as is_unproven,
    period,
    sum(returned)::bigint as returned,
    sum(net_fen)::bigint as net_fen
from cells
where
    grain = '{grain}'
    and first_day >= $first_hour::date
    and first_day <= $last_hour::date
    {filters}
group by all
having sum(returned) <> 0
order by cohort, period

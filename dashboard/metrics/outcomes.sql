-- One row per dimension and outcome class of matured orders; they sum to conversion.matured (D6).
with cells as ({cells})
select
    {dims}
    outcome,
    sum(orders)::bigint as orders,
    sum(amount_fen)::bigint as amount_fen
from cells
where outcome is not null and is_matured {filters}
group by all
having sum(orders) > 0
order by orders desc, outcome

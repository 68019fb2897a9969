-- One row per dimension: orders created, still open, matured, and paid in time (D1, D2).
with cells as ({cells})
select
    {dims}
    sum(orders)::bigint as orders,
    coalesce(sum(orders) filter (where not is_matured), 0)::bigint as open,
    coalesce(sum(orders) filter (where is_matured), 0)::bigint as matured,
    coalesce(sum(orders) filter (where is_matured and outcome = 'paid'), 0)::bigint as paid
from cells
where outcome is not null {filters}
group by all
having sum(orders) > 0

-- One row per dimension: orders with a final attempt that reached the channel (D3, D5).
with cells as ({cells})
select
    {dims}
    sum(final)::bigint as orders,
    coalesce(sum(succeeded), 0)::bigint as succeeded,
    coalesce(sum(first_succeeded), 0)::bigint as first_succeeded,
    coalesce(sum(first_failed), 0)::bigint as first_failed,
    coalesce(sum(recovered), 0)::bigint as recovered
from cells
where outcome is not null {filters}
group by all
having sum(final) > 0

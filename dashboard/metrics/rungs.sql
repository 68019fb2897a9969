-- One row per dimension and delivery rung: orders whose first receipt was that delivery.
select
    {dims}
    rung,
    sum(orders)::bigint as orders
from lake.hourly_rungs
where hour between $first_hour::timestamp and $last_hour::timestamp {filters}
group by all
having sum(orders) > 0
order by rung

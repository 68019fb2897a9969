-- One row per hour of creation, dimensions and delivery rung of the first receipt.
select
    shop_hour(created_at) as hour,
    channel,
    product,
    client,
    store,
    campaign,
    rung,
    sum(sign) as orders
from changed
where created_at is not null and rung is not null and is_received
group by all
having sum(sign) <> 0
order by hour

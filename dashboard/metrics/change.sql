-- One row per period side, channel, product, client and outcome: matured orders and their amount.
with cells as ({cells})
select
    channel,
    product,
    client,
    outcome,
    sum(orders)::bigint as orders,
    sum(amount_fen)::bigint as amount_fen
from cells
where outcome is not null and is_matured {filters}
group by all
having sum(orders) > 0

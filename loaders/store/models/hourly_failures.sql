-- One row per hour of creation, hour of maturity, dimensions and failure: attempts that failed so,
-- and the never paid orders (with their amount) whose last failure it was.
with
tries as (
    select
        changed.*,
        unnest(changed.failures) as failure
    from changed
    where created_at is not null and ordered_at is not null and len(failures) > 0
)
select
    shop_hour(created_at) as hour,
    shop_hour(decided_at) as due_hour,
    channel,
    product,
    client,
    store,
    campaign,
    failure.source as source,
    failure.stage as stage,
    failure.reason as reason,
    failure.code as code,
    sum(sign) as attempts,
    sum(sign) filter (where paid_at is null and failure.is_last) as orders,
    sum(sign * amount_fen) filter (where paid_at is null and failure.is_last) as lost_fen
from tries
group by all
having attempts <> 0 or coalesce(orders, 0) <> 0 or coalesce(lost_fen, 0) <> 0
order by hour

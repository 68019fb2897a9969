-- One row per hour of creation, hour of maturity, dimensions and outcome: what `changed` adds.
select
    shop_hour(created_at) as hour,
    shop_hour(decided_at) as due_hour,
    channel,
    product,
    client,
    store,
    campaign,
    case when ordered_at is not null then settled_outcome end as outcome,
    sum(sign) filter (where ordered_at is not null) as orders,
    sum(sign * amount_fen) filter (where ordered_at is not null) as amount_fen,
    sum(sign) filter (where is_final) as final,
    sum(sign) filter (where is_final and is_succeeded) as succeeded,
    sum(sign) filter (where is_final and first_attempt = 'succeeded') as first_succeeded,
    sum(sign) filter (where first_attempt = 'failed') as first_failed,
    sum(sign) filter (where is_recovered) as recovered,
    sum(sign) filter (where paid_at is not null) as expected,
    sum(sign) filter (where paid_at is not null and is_received) as received,
    sum(sign) filter (where paid_at is not null and is_received and rung = 0) as first_delivered,
    sum(sign * duplicates) as duplicates,
    sum(sign * mismatched) as mismatched,
    sum(sign) filter (where paid_at is not null and is_refunded_30d) as refunded
from changed
where created_at is not null
group by all
having
    coalesce(orders, 0) <> 0 or coalesce(amount_fen, 0) <> 0 or coalesce(final, 0) <> 0
    or coalesce(succeeded, 0) <> 0 or coalesce(first_succeeded, 0) <> 0
    or coalesce(first_failed, 0) <> 0 or coalesce(recovered, 0) <> 0
    or coalesce(expected, 0) <> 0 or coalesce(received, 0) <> 0
    or coalesce(first_delivered, 0) <> 0 or coalesce(duplicates, 0) <> 0
    or coalesce(mismatched, 0) <> 0 or coalesce(refunded, 0) <> 0
order by hour

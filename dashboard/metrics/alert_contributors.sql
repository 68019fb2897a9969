-- One row per product, client and reason: unpaid orders of a span beyond what the four weeks
-- before would have led one to expect of as many orders. Reasons of one client share its orders.
with
told as (
    select
        product,
        client,
        created_at >= $begin::timestamp as is_now,
        case
            when is_final and is_succeeded then null
            else coalesce(failure_reason, settled_outcome)
        end as reason
    from lake.trade
    where
        submitted_at is not null
        and (is_final or decided_at <= $as_of::timestamp)
        and (
            (created_at >= $begin::timestamp and created_at < $end::timestamp)
            or (
                created_at >= $begin::timestamp - interval 28 day
                and created_at < $begin::timestamp
            )
        )
        {filters}
),
totals as (
    select
        product,
        client,
        count(*) filter (where is_now) as n,
        count(*) filter (where not is_now) as before
    from told
    group by all
),
reasons as (
    select
        product,
        client,
        reason,
        count(*) filter (where is_now) as lost,
        count(*) filter (where not is_now) as lost_before
    from told
    where reason is not null
    group by all
)
select
    reasons.product,
    reasons.client,
    reasons.reason,
    reasons.lost::bigint as lost,
    totals.n::bigint as n,
    case
        when totals.before > 0
            then lost - lost_before * totals.n::double / totals.before
        else lost
    end as excess
from reasons
inner join totals
    on reasons.product is not distinct from totals.product
    and reasons.client is not distinct from totals.client
where lost > 0
order by excess desc, lost desc, reasons.product, reasons.client, reason
limit $limit

-- One row per dimension and failure: failed attempts, and matured, never paid orders whose last
-- failure it was, with their amount (D6, D7).
with
whole as (
    select
        *,
        due_hour < shop_hour($as_of::timestamp) as is_matured
    from lake.hourly_failures
    where hour between $first_hour::timestamp and $last_hour::timestamp
),
edge as (
    select
        shop_hour(created_at) as hour,
        channel,
        product,
        client,
        store,
        campaign,
        unnest(failures) as failure,
        amount_fen
    from lake.trade
    where
        decided_at >= utc_time(shop_hour($as_of::timestamp))
        and decided_at <= $as_of::timestamp
        and created_at >= utc_time($first_hour::timestamp)
        and created_at < utc_time($last_hour::timestamp + interval 1 hour)
        and ordered_at is not null
        and paid_at is null
),
together as (
    select
        hour,
        channel,
        product,
        client,
        store,
        campaign,
        source,
        stage,
        reason,
        code,
        attempts,
        case when is_matured then orders end as orders,
        case when is_matured then lost_fen end as lost_fen
    from whole
    union all by name
    select
        * exclude (failure, amount_fen),
        failure.source as source,
        failure.stage as stage,
        failure.reason as reason,
        failure.code as code,
        0 as attempts,
        1 as orders,
        amount_fen as lost_fen
    from edge
    where failure.is_last
)
select
    {dims}
    source,
    stage,
    reason,
    code,
    coalesce(sum(orders), 0)::bigint as orders,
    sum(attempts)::bigint as attempts,
    coalesce(sum(lost_fen), 0)::bigint as lost_fen
from together
where true {filters}
group by all
having sum(attempts) > 0
order by lost_fen desc, attempts desc, code, reason, source, stage

-- One row per order of a known buyer: what `changed` adds. `paid_at` is null unless it is a purchase:
-- paid and not fully refunded. Purchases without a known buyer stand together by the hour.
with
judged as (
    select
        *,
        paid_at is not null
        and not coalesce(refunded_fen > 0 and refunded_fen >= amount_fen, false) as is_purchase
    from changed
    where created_at is not null
)
select
    case when buyer is null then date_trunc('hour', paid_at) else created_at end as created_at,
    case
        when buyer is null then date_trunc('hour', paid_at)
        when is_purchase then paid_at
    end as paid_at,
    id_hash(channel || ':' || buyer)::ubigint as buyer_key,
    buyer,
    channel,
    product,
    client,
    store,
    campaign,
    case when buyer is not null then first_attempt end as first_attempt,
    case when buyer is not null and first_attempt = 'failed' then failures[1].reason end
        as first_reason,
    case when buyer is not null then is_holdout end as is_holdout,
    case when buyer is not null then consent end as consent,
    sum(sign)::bigint as orders,
    sum(case when is_purchase then sign * (amount_fen - refunded_fen) else 0 end)::bigint as net_fen
from judged
where buyer is not null or is_purchase
group by all
having sum(sign) <> 0
    or sum(case when is_purchase then sign * (amount_fen - refunded_fen) else 0 end) <> 0
order by created_at

-- One row per outcome of a buyer's first attempt, its reason, product and client: buyers of first
-- orders, who of them bought with a later order within 30 and 90 days, and their net purchases of 90
-- days (D29).
with
{histories},
judged as (
    select
        *,
        begun_at <= $as_of::timestamp - interval 30 day as is_ready_30,
        begun_at <= $as_of::timestamp - interval 90 day as is_ready_90
    from histories
    where
        begun_at >= utc_time($first_hour::timestamp)
        and begun_at < utc_time($last_hour::timestamp + interval 1 hour)
        and begun_at >= $new_from::timestamp
        and begun_order.first_attempt is not null
        {first_filters}
)
select
    begun_order.first_attempt as first_attempt,
    begun_order.first_reason as reason,
    begun_order.product as product,
    begun_order.client as client,
    count(*) filter (where is_ready_30) as buyers_30,
    count(*) filter (where is_ready_30 and is_back_30) as returned_30,
    count(*) filter (where is_ready_90) as buyers,
    count(*) filter (where is_ready_90 and is_back_90) as returned,
    coalesce(sum(net_90_fen) filter (where is_ready_90), 0)::bigint as net_fen,
    coalesce(sum(net_90_fen::hugeint * net_90_fen) filter (where is_ready_90), 0)::hugeint as squares
from judged
group by all

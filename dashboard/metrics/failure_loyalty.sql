-- One row per outcome of a buyer's first attempt, its reason, product and client: buyers of first orders, who of them
-- bought with a later order within 30 and 90 days, and their net purchases of 90 days (D29).
with
{orders},
begun as (
    select
        buyer_key,
        min(created_at) as begun_at,
        arg_min(
            struct_pack(
                product := product, client := client, store := store, campaign := campaign,
                channel := channel, first_attempt := first_attempt, first_reason := first_reason
            ),
            created_at
        ) as first_order
    from ordered
    group by buyer_key
),
chosen as (
    select * from begun
    where
        begun_at >= utc_time($first_hour::timestamp)
        and begun_at < utc_time($last_hour::timestamp + interval 1 hour)
        and begun_at >= $new_from::timestamp
        and first_order.first_attempt is not null
        {first_filters}
),
later as (
    select
        chosen.buyer_key,
        coalesce(bool_or(paid_at <= begun_at + interval 30 day), false) as is_back_30,
        coalesce(bool_or(paid_at <= begun_at + interval 90 day), false) as is_back_90,
        coalesce(sum(net_fen) filter (where paid_at <= begun_at + interval 90 day), 0)::bigint
            as net_fen
    from chosen
    left join bought on chosen.buyer_key = bought.buyer_key and bought.created_at > begun_at
    group by all
),
judged as (
    select
        *,
        begun_at <= $as_of::timestamp - interval 30 day as is_ready_30,
        begun_at <= $as_of::timestamp - interval 90 day as is_ready_90
    from chosen
    inner join later using (buyer_key)
)
select
    first_order.first_attempt as first_attempt,
    first_order.first_reason as reason,
    first_order.product as product,
    first_order.client as client,
    count(*) filter (where is_ready_30) as buyers_30,
    count(*) filter (where is_ready_30 and is_back_30) as returned_30,
    count(*) filter (where is_ready_90) as buyers,
    count(*) filter (where is_ready_90 and is_back_90) as returned,
    coalesce(sum(net_fen) filter (where is_ready_90), 0)::bigint as net_fen,
    coalesce(sum(net_fen::hugeint * net_fen) filter (where is_ready_90), 0)::hugeint as squares
from judged
group by all

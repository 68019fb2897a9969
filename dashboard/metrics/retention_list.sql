-- One row per buyer of the cohort that begins on $cohort with a purchase that is {hit}.
with
{orders},
cohorts as (
    select buyer_key, first_at
    from firsts
    where
        date_trunc('{grain}', shop_time(first_at))::date = $cohort::date
        and first_at >= utc_time($first_hour::timestamp)
        and first_at < utc_time($last_hour::timestamp + interval 1 hour)
        and first_at >= $new_from::timestamp
        {first_filters}
)
select
    any_value(channel) as channel,
    any_value(buyer) as buyer,
    any_value(first_at) as first_paid_at,
    max(paid_at) as last_paid_at,
    sum(orders)::bigint as orders,
    sum(net_fen)::bigint as net_fen
from bought
inner join cohorts using (buyer_key)
group by buyer_key
having bool_or({hit})
order by net_fen desc, buyer
limit $limit

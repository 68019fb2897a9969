-- One row per dimension, campaign, group and cell (hour of the week, product, client) of the period's
-- orders with a campaign, and per hour of those without one in $begins to $ends: purchases of known
-- buyers since any of them can be proven new, and of these the first ones of new buyers (D18, D30).
with
{orders},
windows as (
    select
        utc_time(unnest($begins::timestamp[])) as begins_at,
        utc_time(unnest($ends::timestamp[])) as ends_at
),
chosen as (
    select
        bought.*,
        null::timestamp as at_hour
    from bought
    where
        bought.campaign is not null
        and bought.created_at >= utc_time($first_hour::timestamp)
        and bought.created_at < utc_time($last_hour::timestamp + interval 1 hour)
        {filters}
    union all
    select
        bought.*,
        shop_hour(bought.created_at) as at_hour
    from bought
    inner join windows
        on bought.created_at >= windows.begins_at and bought.created_at < windows.ends_at
    where
        bought.campaign is null
        {filters_before}
),
-- Of purchases of one moment, always the same one is the first.
first_ones as (
    select
        buyer_key,
        min(paid_at) as paid_at,
        arg_min(purchase, (paid_at, purchase)) as purchase
    from (select buyer_key, paid_at, {purchase} as purchase from bought)
    semi join chosen using (buyer_key)
    group by buyer_key
)
select
    {dims}
    chosen.campaign,
    coalesce(chosen.is_holdout, false) as is_holdout,
    chosen.at_hour,
    (isodow(shop_time(chosen.created_at)) - 1) * 24 + hour(shop_time(chosen.created_at)) as slot,
    chosen.product as cell_product,
    chosen.client as cell_client,
    coalesce(sum(chosen.orders) filter (where chosen.paid_at >= $new_from::timestamp), 0)::bigint
        as purchases,
    count(*) filter (
        where chosen.paid_at >= $new_from::timestamp
        and chosen.paid_at = first_ones.paid_at
        and {purchase} = first_ones.purchase
    ) as new_buyers
from chosen
inner join first_ones using (buyer_key)
group by all

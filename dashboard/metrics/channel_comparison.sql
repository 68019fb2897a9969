-- One row per channel: success, latency, fee and refund time on the kinds of product and hours all have in common.
with
orders as (
    select
        channel,
        {kind} as product,
        hour(shop_time(ordered_at)) as hour,
        paid_at is not null as is_paid,
        channel_ms,
        if(refunded_fen = 0, fee_fen, null) as fee_fen,
        receipt_fen
    from lake.trade
    where
        ordered_at >= utc_time($first_hour::timestamp)
        and ordered_at < utc_time($last_hour::timestamp + interval 1 hour)
        and due_at <= $as_of::timestamp
        {filters}
),
channels as (select count(distinct channel) as channels from orders),
cells as (
    select product, hour, count(*) as weight
    from orders
    group by product, hour
    having count(distinct channel) = (select channels from channels)
),
by_cell as (
    select channel, product, hour, any_value(weight) as weight, count(*) as n,
        count(*) filter (where is_paid) as paid
    from orders inner join cells using (product, hour)
    group by channel, product, hour
),
rates as (
    select
        channel, sum(n)::bigint as orders, count(*) as cells,
        sum(weight * paid / n) / sum(weight) as rate,
        sum(power(weight, 2) * (paid / n) * (1 - paid / n) / n) / power(sum(weight), 2) as variance
    from by_cell
    group by channel
),
money as (
    select
        channel,
        sum(fee_fen) filter (where receipt_fen > 0) as fee_fen,
        sum(receipt_fen) filter (where receipt_fen > 0 and fee_fen is not null) as base_fen
    from orders inner join cells using (product, hour)
    group by channel
),
spans as (
    select channel, 'paying' as what, channel_ms as ms
    from orders inner join cells using (product, hour)
    where channel_ms >= 0
    union all
    select refund.channel, 'refunding', refund_ms
    from (select *, {kind} as kind_of_product from lake.refund) as refund
    inner join cells
        on refund.kind_of_product = cells.product
        and hour(shop_time(refund.ordered_at)) = cells.hour
    where
        refund_ms >= 0
        and refunded_at >= utc_time($first_hour::timestamp)
        and refunded_at < utc_time($last_hour::timestamp + interval 1 hour)
),
medians as ({medians})
select
    rates.*, money.* exclude (channel),
    paying.size as paying_size, paying.middle as paying, paying.low as paying_low,
    paying.high as paying_high,
    refunding.size as refunding_size, refunding.middle as refunding,
    refunding.low as refunding_low, refunding.high as refunding_high
from rates
inner join money using (channel)
left join medians as paying on rates.channel = paying.channel and paying.what = 'paying'
left join medians as refunding
    on rates.channel = refunding.channel and refunding.what = 'refunding'
order by rates.channel

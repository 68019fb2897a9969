-- One row per buyer as of $as_of who fits the audience's rules (`chosen`), and what is asked of them.
with
{scored},
spaced as (
    select
        *,
        date_diff(
            'second', lag(paid_at) over (partition by buyer_key order by paid_at), paid_at
        ) as gap_s
    from bought
    where true {filters}
),
habits as (
    select
        buyer_key,
        count(distinct shop_day(paid_at)) - 1 as x,
        shop_day(max(paid_at)) - shop_day(min(paid_at)) as t_x,
        shop_day($as_of::timestamp) - shop_day(min(paid_at)) as age,
        date_diff('second', max(paid_at), $as_of::timestamp) as since_s,
        median(gap_s) as gap_s,
        arg_max(product, (paid_at, created_at)) as last_product
    from spaced
    group by buyer_key
),
judged as (
    select buyer_key, last_product, {risk} as risk_value from habits
),
-- What a buyer said last counts, also after $as_of; a yes and a no of one moment are a no.
said as (
    select buyer, created_at, consent
    from lake.buyer_orders
    where consent is not null and buyer is not null
    group by all
    having sum(orders) > 0
),
agreed as (
    select buyer, arg_max(consent, (created_at, not consent)) as consent from said group by buyer
),
described as (
    select
        scored.channel,
        scored.buyer,
        segment,
        case
            when risk_value is null then 'unknown'
            when risk_value < {medium} then 'low'
            when risk_value < {high} then 'medium'
            else 'high'
        end as risk,
        last_product,
        last_at as last_paid_at,
        orders,
        net_fen,
        consent,
        -- Every pseudonym begins so; a name that does not was put in an erased buyer's place.
        not starts_with(scored.buyer, 'b') as is_erased,
        buyer_key
    from scored
    inner join judged using (buyer_key)
    left join agreed on scored.buyer = agreed.buyer
),
chosen as (
    select * from described where true {rules}
)

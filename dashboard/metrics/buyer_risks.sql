-- CTEs after `bought`: one row per buyer as of $as_of (`judged`), with the habits that the risk of having
-- left is taken from, and the risk.
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
        arg_max(product, (paid_at, created_at)) as last_product,
        sum(net_fen)::bigint as net_fen
    from spaced
    group by buyer_key
),
rated as (
    select buyer_key, last_product, net_fen, {risk} as risk_value from habits
),
judged as (
    select
        buyer_key,
        last_product,
        net_fen,
        case
            when risk_value is null then 'unknown'
            when risk_value < {medium} then 'low'
            when risk_value < {high} then 'medium'
            else 'high'
        end as risk
    from rated
)

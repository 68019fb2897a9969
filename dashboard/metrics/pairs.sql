-- One row per item (`goods`) and per ordered pair of items (`pairs`) of the purchases of the days from
-- $first_basket to $last_basket; pairs that chance may explain are left out (D31).
counted as (
    select
        item,
        other,
        arg_max(name, day) filter (where name is not null and orders > 0) as name,
        sum(orders)::bigint as n
    from lake.daily_baskets
    where day >= $first_basket::date and day <= $last_basket::date {basket_filters}
    group by item, other
),
goods as (
    select
        item,
        name,
        n,
        n / (select n from counted where item is null)::double as share
    from counted
    where item is not null and other is null and n > 0
),
joined as (
    select
        counted.item,
        one.name as item_name,
        counted.other,
        two.name as other_name,
        one.n as orders,
        counted.n as together,
        counted.n * one.share / one.n as support,
        counted.n / one.n::double as confidence,
        two.share as other_share
    from counted
    inner join goods as one on counted.item = one.item
    inner join goods as two on counted.other = two.item
    where counted.n >= {least}
),
pairs as (
    select
        *,
        (
            confidence + {z2} / (2 * orders)
            - sqrt({z2} * (confidence * (1 - confidence) / orders + {z2} / (4.0 * orders * orders)))
        ) / (1 + {z2} / orders) as low
    from joined
    where low > other_share
)

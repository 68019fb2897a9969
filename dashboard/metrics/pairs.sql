-- One row per moment of `models` (until), and item (`goods`) or ordered pair of items (`pairs`): buyers
-- who had them before it, of `firsts` (buyer_key, item, name, first_at). Pairs that chance may
-- explain are left out (D31). A moment is the begin of a month, or later than all of them.
narrow as (
    select buyer_key from firsts group by buyer_key having count(*) <= {most_items}
),
monthly as (
    select
        buyer_key,
        item,
        name,
        utc_time(date_trunc('month', shop_time(first_at))) as month
    from firsts
    semi join narrow using (buyer_key)
),
came as (
    select month, count(*) as n
    from (select buyer_key, min(month) as month from monthly group by buyer_key)
    group by month
),
crowd as (
    select models.until, sum(came.n)::bigint as buyers
    from models
    inner join came on came.month < models.until
    group by models.until
),
taken as (
    select month, item, max(name) as name, count(*) as n from monthly group by month, item
),
goods as (
    select
        models.until,
        taken.item,
        arg_max(taken.name, taken.month) filter (where taken.name is not null) as name,
        sum(taken.n)::bigint as n,
        any_value(crowd.buyers) as buyers,
        sum(taken.n) / any_value(crowd.buyers) as share
    from models
    inner join taken on taken.month < models.until
    inner join crowd on models.until = crowd.until
    group by models.until, taken.item
),
met as (
    select
        greatest(one.month, two.month) as month,
        one.item,
        two.item as other,
        count(*) as n
    from monthly as one
    inner join monthly as two on one.buyer_key = two.buyer_key and one.item <> two.item
    group by all
),
together as (
    select models.until, met.item, met.other, sum(met.n)::bigint as n
    from models
    inner join met on met.month < models.until
    group by models.until, met.item, met.other
    having sum(met.n) >= {least}
),
joined as (
    select
        together.until,
        together.item,
        one.name as item_name,
        together.other,
        two.name as other_name,
        one.n as buyers,
        together.n as together,
        together.n / one.buyers as support,
        together.n / one.n as confidence,
        together.n / one.n / two.share as lift,
        -- The standard error of log(lift), by the delta method.
        sqrt(greatest(
            1 / together.n - 1 / one.n - 1 / two.n + (2 * lift - 1) / one.buyers, 0
        )) as error
    from together
    inner join goods as one on together.until = one.until and together.item = one.item
    inner join goods as two on together.until = two.until and together.other = two.item
),
pairs as (
    select
        * exclude (error),
        lift * exp(-{z} * error) as lift_low,
        lift * exp({z} * error) as lift_high
    from joined
    where lift_low > 1
)

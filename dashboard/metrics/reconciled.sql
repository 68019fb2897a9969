-- One row per dimension and class of difference between two sides: how many items, and their money.
with items as ({items})
select
    {dims}
    class,
    sum(items)::bigint as items,
    sum(amount_fen)::bigint as amount_fen,
    coalesce(sum(items) filter (where not is_compared), 0)::bigint as alone
from (
    select *, day::timestamp as hour
    from items
    where bill = $bill and day between $first_hour::date and $last_hour::date
)
where true {filters}
group by all

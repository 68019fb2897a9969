-- One row per dimension and bill: ours, what leads from it to the bill, and the bill counted by itself.
with
items as ({items}),
billed as (
    select distinct kind as bill, channel, day
    from lake.current_days
    where day between $first_hour::date and $last_hour::date
),
shares as (
    select bill, channel, our_day as day, our_fen as ours_fen, 0 as carried_fen, 0 as long_fen,
        0 as other_fen, 0 as short_fen, 0 as differences_fen, 0 as bill_fen
    from items
    where our_day is not null and not (bill_day is null and class = 'bill_missing')
    union all
    select bill, channel, our_day, 0, -our_fen, 0, 0, 0, 0, 0 from items where our_day <> bill_day
    union all
    select bill, channel, bill_day, 0, our_fen, 0, 0, 0, 0, 0 from items where our_day <> bill_day
    union all
    select
        bill, channel, bill_day, 0, 0,
        if(class <> 'bill_missing', bill_fen, 0), if(class = 'bill_missing', bill_fen, 0), 0, 0, 0
    from items
    where our_day is null
    union all
    select bill, channel, our_day, 0, 0, 0, 0, our_fen, 0, 0 from items
    where bill_day is null and class <> 'bill_missing'
    union all
    select bill, channel, bill_day, 0, 0, 0, 0, 0, bill_fen - our_fen, 0
    from items
    where bill_fen <> our_fen
    union all
    select 'trade_bill', channel, billed_on, 0, 0, 0, 0, 0, 0,
        case when kind = 'refund' then -1 else 1 end
        * abs(if(order_fen = 0, receipt_fen, order_fen))
    from lake.settlement_lines
    where
        kind in ('payment', 'refund')
        and billed_on between $first_hour::date and $last_hour::date
    union all
    select 'account_bill', channel, billed_on, 0, 0, 0,
        if(kind in ('payment', 'refund', 'refund_closed', 'fee', 'split'), 0, fen), 0, 0, fen
    from (
        select *, coalesce(income_fen, 0) - abs(coalesce(expense_fen, 0)) as fen
        from lake.account_lines
        where billed_on between $first_hour::date and $last_hour::date
    )
)
select
    {dims}
    bill,
    sum(ours_fen)::bigint as ours_fen,
    sum(carried_fen)::bigint as carried_fen,
    sum(long_fen)::bigint as long_fen,
    sum(short_fen)::bigint as short_fen,
    sum(differences_fen)::bigint as differences_fen,
    sum(other_fen)::bigint as other_fen,
    sum(bill_fen)::bigint as bill_fen,
    sum(ours_fen + carried_fen + long_fen - short_fen + differences_fen + other_fen - bill_fen)::bigint
        as gap_fen
from (select *, day::timestamp as hour from shares semi join billed using (bill, channel, day))
where
    list_contains($bills, bill)
    {filters}
group by all
having count(*) > 0

-- One row per bill day and channel: what the trade bill says is due, and what of it the account shows.
with
items as ({items}),
known as (
    select channel, account, max(day) as last_day
    from lake.current_days
    where kind = 'account_bill'
    group by channel, account
)
select
    coalesce(our_day, bill_day) as day,
    channel,
    sum(our_fen)::bigint as due_fen,
    coalesce(sum(bill_fen) filter (where our_day is not null), 0)::bigint as arrived_fen,
    max(bill_day) as arrived_on
from items
inner join known using (channel, account)
where
    bill = 'account_bill' and our_day is not null
    and (class <> 'bill_missing' or our_day > last_day)
    and our_day between $first_hour::date and $last_hour::date
    {filters}
group by all

-- One row per account bill's day, channel and account: how its balance rolls forward, and where not.
with lines as (
    select
        billed_on as day, channel, account, balance_fen,
        coalesce(income_fen, 0) - abs(coalesce(expense_fen, 0)) as moved_fen,
        lag(balance_fen) over (
            partition by channel, account order by finished_at, line
        ) as before_fen,
        row_number() over (partition by channel, account, billed_on order by finished_at, line)
            as nth,
        row_number() over (
            partition by channel, account, billed_on order by finished_at desc, line desc
        ) as nth_last
    from lake.account_lines
    where
        billed_on between $first_hour::date - 7 and $last_hour::date
        and balance_fen is not null
)
select
    {dims}
    account,
    min(opening_fen)::bigint as opening_fen,
    sum(moved_fen)::bigint as moved_fen,
    min(closing_fen)::bigint as closing_fen,
    sum(gaps)::bigint as gaps,
    sum(gap_fen)::bigint as gap_fen
from (
    select
        day, day::timestamp as hour, channel, account,
        min(balance_fen - moved_fen) filter (where nth = 1) as opening_fen,
        sum(moved_fen) as moved_fen,
        min(balance_fen) filter (where nth_last = 1) as closing_fen,
        count(*) filter (where before_fen + moved_fen <> balance_fen) as gaps,
        coalesce(sum(balance_fen - moved_fen - before_fen), 0) as gap_fen
    from lines
    group by day, channel, account
)
where day >= $first_hour::date {filters}
group by all

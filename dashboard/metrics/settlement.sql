-- One row per dimension of bill days: gross, refunds and fee, each from the bill that tells it best.
-- A merchant's further accounts (1900000109-FEES) stand beside the one they are named after.
with
days as (
    select
        billed_on,
        channel,
        split_part(account, '-', 1) as owner,
        bool_or(kind = 'trade_bill') as has_trade,
        bool_or(kind = 'account_bill' and account = split_part(account, '-', 1)) as has_account
    from (
        select day as billed_on, channel, account, kind
        from lake.current_days
        where day between $first_hour::date and $last_hour::date
    )
    group by all
),
chosen as (
    select
        billed_on::timestamp as hour,
        channel,
        case when kind = 'trade_bill' or not has_trade then gross_fen end as gross_fen,
        case when kind = 'trade_bill' or not has_trade then refunded_fen end as refunded_fen,
        case when kind = 'account_bill' or not has_account then fee_fen end as fee_fen
    from days
    left join (
        select *, split_part(account, '-', 1) as owner from lake.daily_settlement
    ) using (billed_on, channel, owner)
)
select
    {dims}
    coalesce(sum(gross_fen), 0)::bigint as gross_fen,
    coalesce(sum(refunded_fen), 0)::bigint as refunded_fen,
    coalesce(sum(fee_fen), 0) as fee_fen
from chosen
where true {filters}
group by all
having count(*) > 0

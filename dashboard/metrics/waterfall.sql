-- One row per dimension of bill days: from what was ordered to what is left, each from its best bill.
with
days as (
    select
        day,
        channel,
        account,
        bool_or(kind = 'trade_bill') as has_trade,
        bool_or(kind = 'account_bill') as has_account
    from lake.current_days
    where day between $first_hour::date and $last_hour::date
    group by all
),
trade_side as (
    select
        billed_on as day, channel, account,
        sum(abs(if(order_fen = 0, receipt_fen, order_fen))) filter (where kind = 'payment')
            as ordered_fen,
        sum(receipt_fen) filter (where kind = 'payment') as gross_fen,
        sum(abs(receipt_fen)) filter (where kind = 'refund') as refunded_fen,
        sum(if(kind = 'refund', -abs(service_fen), abs(service_fen)))
            filter (where kind not in ('refund_closed', 'refund_stuck')) as fee_fen,
        sum(if(kind = 'refund', -abs(split_fen), abs(split_fen)))
            filter (where kind not in ('refund_closed', 'refund_stuck')) as split_fen
    from lake.settlement_lines
    where billed_on between $first_hour::date and $last_hour::date
    group by all
),
account_side as (
    select
        billed_on as day, channel, account,
        sum(income_fen) filter (where kind = 'payment') as gross_fen,
        sum(abs(coalesce(expense_fen, 0)) - coalesce(income_fen, 0))
            filter (where kind in ('refund', 'refund_closed')) as refunded_fen,
        sum(abs(coalesce(expense_fen, 0)) - coalesce(income_fen, 0))
            filter (where kind = 'fee') as fee_fen,
        sum(abs(coalesce(expense_fen, 0)) - coalesce(income_fen, 0))
            filter (where kind = 'split') as split_fen,
        sum(abs(coalesce(expense_fen, 0)) - coalesce(income_fen, 0))
            filter (where kind = 'withdrawal') as withdrawn_fen
    from lake.account_lines
    where billed_on between $first_hour::date and $last_hour::date
    group by all
),
chosen as (
    select
        days.day::timestamp as hour,
        channel,
        if(has_trade, trade_side.ordered_fen, account_side.gross_fen) as ordered_fen,
        if(has_trade, trade_side.gross_fen, account_side.gross_fen) as gross_fen,
        if(has_trade, trade_side.refunded_fen, account_side.refunded_fen) as refunded_fen,
        if(has_account, account_side.fee_fen, trade_side.fee_fen) as fee_fen,
        if(has_account, account_side.split_fen, trade_side.split_fen) as split_fen,
        account_side.withdrawn_fen
    from days
    left join trade_side using (day, channel, account)
    left join account_side using (day, channel, account)
)
select
    {dims}
    coalesce(sum(ordered_fen), 0)::bigint as ordered_fen,
    coalesce(sum(gross_fen), 0)::bigint as gross_fen,
    coalesce(sum(refunded_fen), 0)::bigint as refunded_fen,
    coalesce(sum(fee_fen), 0) as fee_fen,
    coalesce(sum(split_fen), 0) as split_fen,
    coalesce(sum(withdrawn_fen), 0)::bigint as withdrawn_fen
from chosen
where true {filters}
group by all
having count(*) > 0

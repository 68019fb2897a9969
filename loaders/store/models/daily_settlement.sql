-- One row per bill day, account, bill kind and store: gross, refunded and fee of `settled_days`.
with
trade_sums as (
    select
        load_id,
        billed_on,
        channel,
        account,
        store,
        sum(receipt_fen) filter (where kind = 'payment') as gross_fen,
        sum(abs(receipt_fen)) filter (where kind = 'refund') as refunded_fen,
        sum(case when kind = 'refund' then -abs(service_fen) else abs(service_fen) end)
            filter (where kind not in ('refund_closed', 'refund_stuck')) as fee_fen,
        count(*) as lines
    from lake.trade_lines
    where billed_on between getvariable('first_billed') and getvariable('last_billed')
    group by all
)
select
    line.billed_on,
    line.channel,
    line.account,
    'trade_bill' as kind,
    line.store,
    sum(line.gross_fen) as gross_fen,
    sum(line.refunded_fen) as refunded_fen,
    sum(line.fee_fen) as fee_fen,
    sum(line.lines) as lines
from trade_sums as line
semi join lake.current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'trade_bill'
semi join settled_days
    on line.channel = settled_days.channel and line.account = settled_days.account
    and line.billed_on = settled_days.day and settled_days.kind = 'trade_bill'
group by all
union all
select
    line.billed_on,
    line.channel,
    line.account,
    'account_bill' as kind,
    null as store,
    sum(line.income_fen) filter (where line.kind = 'payment') as gross_fen,
    sum(abs(coalesce(line.expense_fen, 0)) - coalesce(line.income_fen, 0))
        filter (where line.kind in ('refund', 'refund_closed')) as refunded_fen,
    sum(abs(line.expense_fen)) filter (where line.kind = 'fee')
    - coalesce(sum(line.income_fen) filter (where line.kind = 'fee'), 0) as fee_fen,
    count(*) as lines
from lake.account_log as line
semi join lake.current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'account_bill'
semi join settled_days
    on line.channel = settled_days.channel and line.account = settled_days.account
    and line.billed_on = settled_days.day and settled_days.kind = 'account_bill'
where line.billed_on between getvariable('first_billed') and getvariable('last_billed')
group by all

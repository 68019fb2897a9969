-- One row per bill row of the orders in `touched`, of the exports that own their days.
create or replace temp table touched_lines as
select
    line.channel,
    line.order_no,
    line.trade_no,
    line.kind,
    line.created_at,
    line.finished_at,
    line.order_fen,
    line.receipt_fen,
    line.service_fen,
    line.billed_on,
    line.store,
    line.refund_no,
    line.refund_state
from lake.trade_lines as line
semi join touched using (order_no)
semi join lake.current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'trade_bill'
where line.home_day between getvariable('first_day') and getvariable('last_day')

-- One row per raw row of the orders in `touched`: what their trades are made from.
create or replace temp view given_events as
select log.*, touched.key
from lake.checkout_log as log
inner join touched using (order_no)
where log.home_day between getvariable('first_day') and getvariable('last_day');

create or replace temp view given_messages as
select log.*, touched.key
from lake.deliveries as log
inner join touched using (order_no)
where
    log.home_day between getvariable('first_day') and getvariable('last_day')
    and log.verdict = 'valid';

create or replace temp view given_bill as
select
    line.channel,
    touched.key,
    max(line.trade_no) as trade_no,
    min(line.created_at) as created_at,
    min(line.finished_at) filter (where line.kind = 'payment') as paid_at,
    max(line.order_fen) filter (where line.kind = 'payment') as amount_fen,
    sum(line.receipt_fen) filter (where line.kind = 'payment') as receipt_fen,
    sum(
        case when line.kind = 'refund' then -abs(line.service_fen) else abs(line.service_fen) end
    ) filter (where line.kind not in ('refund_closed', 'refund_stuck')) as fee_fen,
    min(line.billed_on) filter (where line.kind = 'payment') as billed_on,
    max(line.store) as store,
    min(line.created_at) filter (where line.kind = 'refund') as refunded_payment_at
from touched_lines as line
inner join touched using (order_no)
group by line.channel, touched.key;

create or replace temp view given_refunds as
select new_refund.*, touched.key
from new_refund
inner join touched using (order_no);

-- One row per bill row that is all that is known of its order: a payment, told by nothing else.
create or replace temp view given_events as
select *, order_no as key from lake.checkout_log where false;

create or replace temp view given_messages as
select *, order_no as key from lake.deliveries where false;

create or replace temp view given_bill as
select
    line.channel,
    line.order_no as key,
    line.trade_no,
    line.created_at,
    line.finished_at as paid_at,
    line.order_fen as amount_fen,
    line.receipt_fen,
    abs(line.service_fen) as fee_fen,
    line.billed_on,
    line.store,
    null::timestamp as refunded_payment_at
from lake.trade_lines as line
anti join all_touched using (order_no)
semi join lake.current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'trade_bill'
where line.load_id >= getvariable('first_load') and line.order_no is not null;

create or replace temp view given_refunds as
select *, order_no as key from lake.refund where false;

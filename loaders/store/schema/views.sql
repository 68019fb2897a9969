-- The published views. Names and meanings are a contract; they may grow.
create or replace view current_days as
select load_id, channel, account, kind, day
from (
    select
        day.*,
        coalesce(day.part, 'whole') as half,
        bool_or(half = 'whole') over (
            partition by day.channel, day.account, day.kind, day.day
        ) as has_whole
    from bill_days as day
    inner join loads as load on day.load_id = load.load_id and load.status <> 'undone'
)
where half = 'whole' or not has_whole
qualify row_number() over (
    partition by channel, account, kind, day, half
    order by exported_at desc nulls last, content_key desc, load_id
) = 1;
create or replace view watermarks as
select kind, max(watermark) as watermark
from loads
where status <> 'undone'
group by kind;
create or replace view trades as
select
    trade.* exclude (settled_outcome, failures, home_day, turn),
    case
        when paid_at is not null then settled_outcome
        when ordered_at is null then 'open'
        when due_at <= least(
            (select watermark from watermarks where kind = 'checkout_log'),
            coalesce(
                (select watermark from watermarks where kind = 'notification_log'),
                (select watermark from watermarks where kind = 'trade_bill'),
                timestamp '1970-01-01'
            )
        ) then settled_outcome
        else 'open'
    end as outcome
from trade;
create or replace view refunds as
select
    * exclude (home_day, turn, product, client, store, campaign, told_fen, asked_fen, state),
    coalesce(state, 'done') as state
from refund
where amount_fen is not null;
create or replace view settlement_lines as
select line.* exclude (home_day)
from trade_lines as line
semi join current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'trade_bill';
create or replace view account_lines as
select line.* exclude (home_day)
from account_log as line
semi join current_days as owner
    on line.load_id = owner.load_id and line.account = owner.account
    and line.billed_on = owner.day and owner.kind = 'account_bill';
create or replace view notifications as
select * exclude (home_day, hint_day, line_key)
from deliveries;
create or replace view checkout_events as
select * exclude (home_day, hint_day, line_key)
from checkout_log;
create or replace view buyers as
select
    channel,
    buyer,
    min(paid_at) as first_paid_at,
    max(paid_at) as last_paid_at,
    count(*) as orders,
    sum(amount_fen)::bigint as paid_fen,
    sum(refunded_fen)::bigint as refunded_fen
from trade
where buyer is not null and paid_at is not null
group by all

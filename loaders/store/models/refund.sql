-- One row per channel, order and refund number, for the orders named in `touched`, whose bill rows are `touched_lines`.
-- `state` is that of RefundState. What is accepted counts as the bill counts it; only what is done is proven;
-- what is closed or stuck has no amount and no time, but `asked_fen`.
with
lines as (
    select
        line.channel,
        line.order_no,
        coalesce(line.refund_no, line.order_no) as refund_no,
        coalesce(line.refund_state, 'done') as state,
        abs(case when line.order_fen = 0 then line.receipt_fen else line.order_fen end) as fen,
        line.finished_at,
        line.billed_on
    from touched_lines as line
    where line.kind in ('refund', 'refund_closed', 'refund_stuck')
),
later_words as (
    select
        log.channel,
        log.order_no,
        coalesce(log.refund_no, log.order_no) as refund_no,
        if(log.status = 'REFUND_CLOSED', 'closed', 'stuck') as state,
        log.refund_fen as fen,
        log.received_at as finished_at
    from lake.deliveries as log
    semi join touched using (order_no)
    where
        log.home_day between getvariable('first_day') and getvariable('last_day')
        and log.verdict = 'valid'
        and log.status in ('REFUND_CLOSED', 'REFUND_ABNORMAL')
    union all
    select lines.channel, lines.order_no, lines.refund_no, 'closed', null, log.finished_at
    from lake.account_log as log
    semi join lake.current_days as owner
        on log.load_id = owner.load_id and log.account = owner.account
        and log.billed_on = owner.day and owner.kind = 'account_bill'
    inner join lines on log.channel = lines.channel and log.order_no = lines.refund_no
    where
        log.kind = 'refund_closed'
        and log.billed_on >= getvariable('first_open')
        and lines.state <> 'done'
),
billed as (
    -- A line that proves the refund counts, whatever others say; of the rest the latest word does.
    select
        channel,
        order_no,
        refund_no,
        if(bool_or(state = 'done'), 'done', arg_max(state, finished_at)) as state,
        coalesce(
            sum(fen) filter (where state = 'done'),
            arg_max(fen, finished_at) filter (where fen is not null)
        ) as amount_fen,
        coalesce(
            min(finished_at) filter (where state = 'done'),
            max(finished_at) filter (where billed_on is not null),
            max(finished_at)
        ) as refunded_at,
        coalesce(min(billed_on) filter (where state = 'done'), max(billed_on)) as billed_on
    from (select * from lines union all by name select * from later_words)
    group by all
),
refunded as (
    select order_no from billed
    union
    select log.order_no
    from lake.deliveries as log
    semi join touched using (order_no)
    where
        log.home_day between getvariable('first_day') and getvariable('last_day')
        and log.is_refund
),
payments as (
    select
        line.channel,
        line.order_no,
        max(line.order_fen) as amount_fen,
        max(line.store) as store
    from touched_lines as line
    semi join refunded using (order_no)
    where line.kind = 'payment'
    group by all
),
orders as (
    select
        log.channel,
        log.order_no,
        log.amount_fen,
        log.happened_at as ordered_at,
        log.product,
        log.client,
        log.store,
        log.campaign
    from lake.checkout_log as log
    semi join refunded using (order_no)
    where
        log.home_day between getvariable('first_day') and getvariable('last_day')
        and log.event = 'order'
    qualify row_number() over (partition by channel, order_no order by happened_at, line_key) = 1
),
told as (
    select
        log.channel,
        log.order_no,
        coalesce(log.refund_no, log.order_no) as refund_no,
        max(log.refunded_total_fen) as refunded_total_fen,
        max(log.refund_fen) as refund_fen,
        min(log.refunded_at) as refunded_at,
        min(log.received_at) filter (where log.is_receipt_time_known) as notified_at
    from lake.deliveries as log
    semi join touched using (order_no)
    left join orders on log.channel = orders.channel and log.order_no = orders.order_no
    left join payments on log.channel = payments.channel and log.order_no = payments.order_no
    where
        log.home_day between getvariable('first_day') and getvariable('last_day')
        and log.verdict = 'valid'
        and log.is_refund
        and coalesce(log.amount_fen = coalesce(orders.amount_fen, payments.amount_fen), true)
    group by all
),
merged as (
    select
        coalesce(billed.channel, told.channel) as channel,
        coalesce(billed.order_no, told.order_no) as order_no,
        coalesce(billed.refund_no, told.refund_no) as refund_no,
        case
            when told.channel is not null or billed.state not in ('closed', 'stuck')
                then coalesce(billed.amount_fen, told.refund_fen)
        end as billed_fen,
        billed.amount_fen as asked_fen,
        case
            when told.channel is not null or billed.state = 'done' then 'done'
            when billed.state in ('closed', 'stuck') then billed.state
            else 'accepted'
        end as state,
        if(billed.state <> 'done', billed.refunded_at, null) as accepted_at,
        told.refunded_total_fen,
        told.refund_fen,
        told.channel is not null as is_told,
        coalesce(told.refunded_at, billed.refunded_at) as refunded_at,
        told.notified_at,
        billed.billed_on
    from billed
    full join told using (channel, order_no, refund_no)
),
counted as (
    select
        *,
        coalesce(untold_fen, 0) + coalesce(last_value(told_gap_fen ignore nulls) over earlier, 0)
            as before_fen
    from (
        select
            *,
            refunded_total_fen - coalesce(untold_fen, 0) as told_gap_fen
        from (
            select
                *,
                sum(billed_fen) filter (where refunded_total_fen is null) over earlier
                    as untold_fen
            from merged
            window earlier as (
                partition by channel, order_no
                order by refunded_at, refund_no
                rows between unbounded preceding and 1 preceding
            )
        )
    )
    window earlier as (
        partition by channel, order_no
        order by refunded_at, refund_no
        rows between unbounded preceding and 1 preceding
    )
),
requests as (
    select log.order_no, log.happened_at as requested_at, log.refund_no
    from lake.checkout_log as log
    semi join touched using (order_no)
    where
        log.home_day between getvariable('first_day') and getvariable('last_day')
        and log.event = 'attempt'
        and log.method like '%refund'
),
requested as (
    select
        counted.channel,
        counted.order_no,
        counted.refund_no,
        coalesce(
            min(requests.requested_at) filter (where requests.refund_no is not null),
            max(requests.requested_at)
        ) as requested_at
    from counted
    inner join requests
        on counted.order_no = requests.order_no
        and coalesce(requests.refund_no, counted.refund_no) = counted.refund_no
        and requests.requested_at <= counted.refunded_at + interval 1 second
    group by all
)
select
    counted.channel,
    counted.order_no,
    counted.refund_no,
    touched.home_day,
    case
        when counted.state in ('done', 'accepted') then coalesce(
            counted.billed_fen, greatest(counted.refunded_total_fen - counted.before_fen, 0)
        )
    end::bigint as amount_fen,
    case
        when counted.is_told then coalesce(
            counted.refund_fen, greatest(counted.refunded_total_fen - counted.before_fen, 0)
        )
    end::bigint as told_fen,
    orders.ordered_at,
    requested.requested_at,
    if(counted.state in ('done', 'accepted'), counted.refunded_at, null) as refunded_at,
    counted.notified_at,
    counted.billed_on,
    counted.state,
    counted.asked_fen,
    counted.accepted_at,
    orders.product,
    orders.client,
    coalesce(orders.store, payments.store) as store,
    orders.campaign,
    if(
        counted.state = 'done',
        date_diff('millisecond', requested.requested_at, counted.refunded_at),
        null
    ) as refund_ms
from counted
inner join touched using (order_no)
left join orders using (channel, order_no)
left join payments using (channel, order_no)
left join requested using (channel, order_no, refund_no)

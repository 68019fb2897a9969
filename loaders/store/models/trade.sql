-- One row per channel and order key: what became of the orders that the given_* views speak of.
with
events as (
    select * from given_events
),
messages as (
    select * from given_messages
),
billed as (
    select * from given_bill
),
orders as (
    select *
    from events
    where event = 'order'
    qualify row_number() over (
        partition by channel, key order by happened_at, buyer is null, line_key
    ) = 1
),
judged as (
    select
        messages.*,
        coalesce(
            messages.amount_fen = coalesce(orders.amount_fen, billed.amount_fen), true
        ) as is_amount_right
    from messages
    left join orders using (channel, key)
    left join billed using (channel, key)
),
told as (
    select
        channel,
        key,
        max(trade_no) filter (where is_amount_right) as trade_no,
        min(created_at) filter (where is_amount_right) as created_at,
        min(amount_fen) filter (where is_amount_right) as amount_fen,
        coalesce(
            min(paid_at) filter (where is_amount_right and proves_paid),
            min(received_at) filter (where is_amount_right and proves_paid and not is_refund)
        ) as paid_at,
        bool_or(is_amount_right and proves_paid and not is_refund) as is_received,
        min(received_at) filter (
            where is_amount_right and proves_paid and not is_refund and is_receipt_time_known
        ) as received_at,
        min(coalesce(closed_at, received_at)) filter (
            where is_amount_right and is_closed
        ) as closed_at,
        max(payer) filter (where is_amount_right) as payer,
        count(*) filter (where is_amount_right)
        - count(distinct notify_id) filter (where is_amount_right) as duplicates,
        count(*) filter (where not is_amount_right) as mismatched
    from judged
    group by channel, key
),
answers as (
    select
        channel,
        key,
        min(happened_at) filter (where says = 'paid') as recognised_at,
        min(coalesce(channel_paid_at, happened_at)) filter (where says = 'paid') as paid_at,
        max(trade_no) as trade_no,
        min(amount_fen) filter (where says = 'paid') as amount_fen,
        max(happened_at) filter (where says in ('closed', 'absent')) as unpaid_at
    from events
    where event = 'attempt' and not is_payment
    group by channel, key
),
base as not materialized (
    select
        coalesce(billed.channel, orders.channel, told.channel, answers.channel) as channel,
        coalesce(billed.key, orders.key, told.key, answers.key) as key,
        coalesce(told.trade_no, billed.trade_no, answers.trade_no) as trade_no,
        orders.product,
        orders.client,
        coalesce(orders.store, billed.store) as store,
        orders.campaign,
        coalesce(orders.buyer, told.payer) as buyer,
        coalesce(orders.amount_fen, billed.amount_fen, told.amount_fen, answers.amount_fen)
            as amount_fen,
        orders.happened_at as ordered_at,
        coalesce(
            orders.happened_at, told.created_at, billed.created_at, billed.paid_at, told.paid_at,
            answers.paid_at
        ) as created_at,
        orders.expires_at,
        lower(orders.campaign_group) in ('control', 'holdout') as is_holdout,
        orders.discount_fen,
        orders.consent,
        json_transform(
            case when json_valid(orders.items) then orders.items end,
            '[{"sku": "VARCHAR", "name": "VARCHAR"}]'
        ) as goods,
        coalesce(orders.expires_at, orders.happened_at + interval 24 hour) as due_at,
        coalesce(told.paid_at, billed.paid_at, answers.paid_at, billed.refunded_payment_at)
            as paid_at,
        case
            when told.paid_at is not null then 'notification'
            when billed.paid_at is not null then 'bill'
            when answers.paid_at is not null then 'query'
            when billed.refunded_payment_at is not null then 'bill'
        end as paid_by,
        told.received_at,
        coalesce(told.is_received, false) as is_received,
        answers.recognised_at as queried_at,
        greatest(answers.unpaid_at, told.closed_at) as unpaid_at,
        told.closed_at as told_closed_at,
        coalesce(told.duplicates, 0) as duplicates,
        coalesce(told.mismatched, 0) as mismatched,
        billed.billed_on,
        billed.receipt_fen,
        billed.fee_fen
    from billed
    full join orders on billed.channel = orders.channel and billed.key = orders.key
    full join told
        on coalesce(billed.channel, orders.channel) = told.channel
        and coalesce(billed.key, orders.key) = told.key
    full join answers
        on coalesce(billed.channel, orders.channel, told.channel) = answers.channel
        and coalesce(billed.key, orders.key, told.key) = answers.key
    where
        billed.key is not null
        or orders.key is not null
        or told.trade_no is not null
        or told.created_at is not null
        or answers.amount_fen is not null
),
tries as (
    select
        base.channel,
        base.key,
        base.paid_at,
        base.unpaid_at > event.happened_at as is_settled_unpaid,
        event.may_pay,
        event.happened_at,
        event.elapsed_ms,
        event.reached_channel,
        event.is_known,
        event.reason,
        event.source,
        event.stage,
        coalesce(event.sub_code, event.code) as code,
        not event.is_known as is_open,
        row_number() over (
            partition by base.channel, base.key
            order by coalesce(event.attempt, 2147483647), event.happened_at, event.line_key
        ) as attempt
    from events as event
    inner join base
        on event.key = base.key
        and coalesce(event.channel, base.channel) = base.channel
    where event.event = 'attempt' and event.is_payment
),
winners as (
    select
        channel,
        key,
        arg_max(attempt, (happened_at, attempt)) as attempt
    from tries
    where reached_channel and may_pay and happened_at < paid_at + interval 1 second
    group by channel, key
),

settled_tries as (
    select
        tries.*,
        coalesce(winners.attempt = tries.attempt, false) as is_winner,
        winners.attempt is null and coalesce(tries.is_settled_unpaid, false) as is_settled,
        tries.reason is not null
        and (
            tries.is_known
            or (winners.attempt is null and coalesce(tries.is_settled_unpaid, false))
            or coalesce(winners.attempt <> tries.attempt, false)
        ) as is_failed
    from tries
    left join winners using (channel, key)
),
ranked_tries as (
    select
        *,
        is_failed and row_number() over (
            partition by channel, key, is_failed order by happened_at desc, attempt desc
        ) = 1 as is_last
    from settled_tries
),
attempted as (
    select
        channel,
        key,
        count(*) as attempts,
        list(elapsed_ms order by happened_at) filter (where elapsed_ms is not null) as api_ms,
        min(happened_at) filter (where reached_channel) as submitted_at,
        coalesce(
            max(happened_at) filter (where reached_channel and happened_at <= paid_at),
            min(happened_at) filter (where is_winner)
        ) as last_submitted_at,
        bool_or(reached_channel and (is_winner or is_failed or (is_open and is_settled))) as is_final,
        bool_or(attempt = 1 and is_winner) as is_first_succeeded,
        bool_or(attempt = 1 and is_failed) as is_first_failed,
        list(distinct case when is_known then reason else 'channel_error' end)
            filter (where is_failed) as reasons,
        bool_or(is_open and not is_failed and not is_winner and not is_settled) as is_unknown,
        list(
            struct_pack(
                reason := case when is_known then reason else 'channel_error' end,
                source := source,
                stage := stage,
                code := code,
                is_last := is_last
            )
            order by happened_at, attempt
        ) filter (where is_failed) as failures
    from ranked_tries
    group by channel, key
),
closes as (
    select
        key,
        channel,
        min(happened_at) as happened_at,
        arg_min(closed_by, (happened_at, line_key)) as closed_by,
        bool_or(closed_by = 'merchant') as is_by_merchant,
        bool_or(closed_by = 'buyer') as is_by_buyer
    from events
    where event = 'close'
    group by key, channel
),
refunded as (
    select
        channel,
        key,
        sum(amount_fen) as refunded_fen,
        min(refunded_at) as first_refunded_at
    from given_refunds
    group by channel, key
),
joined as (
    select
        base.*,
        attempted.* exclude (channel, key),
        closes.happened_at as close_event_at,
        closes.closed_by,
        closes.is_by_merchant,
        closes.is_by_buyer,
        coalesce(refunded.refunded_fen, 0) as refunded_fen,
        refunded.first_refunded_at,
        least(base.received_at, base.queried_at) as recognised_at,
        coalesce(attempted.reasons, []) as failed_for,
        attempted.failures[-1] as failure
    from base
    left join attempted using (channel, key)
    left join closes
        on base.key = closes.key
        and coalesce(closes.channel, base.channel) = base.channel
    left join refunded using (channel, key)
)
select
    channel,
    key,
    trade_no,
    product,
    client,
    store,
    campaign,
    buyer,
    amount_fen,
    ordered_at,
    created_at,
    expires_at,
    due_at,
    coalesce(due_at, created_at) as decided_at,
    submitted_at,
    last_submitted_at,
    paid_at,
    paid_by,
    received_at as notified_at,
    recognised_at,
    coalesce(close_event_at, told_closed_at) as closed_at,
    closed_by,
    case
        when paid_at is not null and paid_at <= coalesce(due_at, paid_at) then 'paid'
        when paid_at is not null then 'paid_late'
        when is_by_merchant then 'closed_by_merchant'
        when list_contains(failed_for, 'risk_rejected') then 'risk_rejected'
        when list_contains(failed_for, 'insufficient_funds') then 'insufficient_funds'
        when list_contains(failed_for, 'limit_exceeded') then 'limit_exceeded'
        when list_contains(failed_for, 'payer_restricted') then 'payer_restricted'
        when list_contains(failed_for, 'credential_invalid') then 'credential_invalid'
        when list_contains(failed_for, 'merchant_config') then 'merchant_config'
        when list_contains(failed_for, 'channel_error') then 'channel_error'
        when is_unknown then 'timeout_unknown'
        when is_by_buyer or list_contains(failed_for, 'user_cancelled') then 'user_cancelled'
        when len(failed_for) = 0 then 'user_abandoned'
        else 'unmapped'
    end as settled_outcome,
    failure.reason as failure_reason,
    failure.code as failure_code,
    failure.source as failure_source,
    failure.stage as failure_stage,
    coalesce(failures, []) as failures,
    coalesce(attempts, 0)::integer as attempts,
    coalesce(is_final, false) as is_final,
    coalesce(is_final, false) and paid_at is not null as is_succeeded,
    case
        when is_first_succeeded then 'succeeded'
        when is_first_failed then 'failed'
    end as first_attempt,
    coalesce(is_first_failed and paid_at is not null, false) as is_recovered,
    is_received
    and coalesce(date_diff('millisecond', paid_at, received_at) <= 90000000, true) as is_received,
    case
        when received_at is not null and paid_at is not null
            then rung_of(channel, date_diff('millisecond', paid_at, received_at))
    end as rung,
    duplicates::integer as duplicates,
    mismatched::integer as mismatched,
    refunded_fen::bigint as refunded_fen,
    coalesce(first_refunded_at <= paid_at + interval 30 day, false) as is_refunded_30d,
    billed_on,
    receipt_fen::bigint as receipt_fen,
    fee_fen,
    date_diff('millisecond', last_submitted_at, paid_at) as channel_ms,
    date_diff('millisecond', paid_at, received_at) as notification_ms,
    date_diff('millisecond', paid_at, recognised_at) as recognition_ms,
    case when paid_at is not null then date_diff('millisecond', ordered_at, recognised_at) end
        as end_to_end_ms,
    coalesce(api_ms, []) as api_ms,
    is_holdout,
    discount_fen,
    consent,
    list_transform(
        list_sort(list_distinct(list_transform(goods, lambda part: part.sku)))[:30],
        lambda sku: struct_pack(
            item := sku,
            name := list_filter(goods, lambda part: part.sku = sku)[1].name
        )
    ) as items
from joined

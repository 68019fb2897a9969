-- One row per payment, refund, fee or split that one of two sides knows.
-- Against the trade bill: what we were told and asked for. Against the account bill: the trade bill.
-- Amounts are signed as they move the merchant's money. Sides meet on the same day or a day apart.
with
current as (
    select load_id, channel, account, kind, day
    from {lake}current_days
    where day between {first_day} - 4 and {last_day} + 4
),
covered as (
    select distinct channel, kind, day, account from current
    union
    select distinct channel, kind, day, '' from current
),
numbers as (
    select day.channel, day.account, min(day.day) as first_day, max(day.day) as last_day
    from {lake}bill_days as day
    semi join (select load_id from {lake}loads where status <> 'undone') as load
        on day.load_id = load.load_id
    where day.kind = 'trade_bill'
    group by day.channel, day.account
),
-- Days on which a merchant number in use has no trade bill; after a month without one it is closed.
awaited as (
    select distinct channel, day
    from (
        select
            channel,
            account,
            cast(unnest(generate_series(
                cast(greatest(first_day, {first_day} - 4) as timestamp),
                cast(least(last_day + 31, {last_day} + 4) as timestamp),
                interval 1 day
            )) as date) as day
        from numbers
    )
    anti join (select * from covered where kind = 'trade_bill') as bill
        using (channel, account, day)
),
kept_accounts as (
    select distinct channel, account
    from {lake}loads
    where kind = 'account_bill' and status <> 'undone'
),
heard as (
    select first_day, watermark
    from {lake}loads
    where kind = 'notification_log' and status <> 'undone'
),
speaking as (
    select distinct channel, cast(received_at + interval 8 hour as date) as day
    from {lake}deliveries
    where
        verdict = 'valid'
        and received_at >= {first_day} - 40
        and received_at < {last_day} + 6
),
bill_lines as (
    select
        line.channel,
        line.account,
        line.kind,
        line.order_no,
        line.trade_no,
        line.home_day,
        coalesce(line.refund_no, line.order_no) as refund_no,
        line.billed_on as day,
        line.finished_at as moment,
        line.load_id || ':' || line.line as place,
        coalesce(line.currency, 'CNY') as currency,
        case when line.kind = 'refund' then -1 else 1 end as sign,
        abs(if(line.order_fen = 0, line.receipt_fen, line.order_fen)) as order_fen,
        abs(line.receipt_fen) as receipt_fen,
        round(abs(line.service_fen))::bigint as service_fen,
        round(abs(line.split_fen))::bigint as split_fen
    from {lake}trade_lines as line
    semi join current
        on line.load_id = current.load_id and line.account = current.account
        and line.billed_on = current.day and current.kind = 'trade_bill'
    where
        line.billed_on between {first_day} - 3 and {last_day} + 3
        and line.kind in ('payment', 'refund')
),
not_back as (
    select distinct line.channel, line.account, line.order_no,
        coalesce(line.refund_no, line.order_no) as refund_no
    from {lake}trade_lines as line
    semi join current
        on line.load_id = current.load_id and line.account = current.account
        and line.billed_on = current.day and current.kind = 'trade_bill'
    where
        line.billed_on between {first_day} - 3 and {last_day} + 3
        and line.kind in ('refund_closed', 'refund_stuck')
),
movements as (
    select
        line.channel,
        line.account,
        if(line.kind = 'refund_closed', 'refund', line.kind) as kind,
        coalesce(line.order_no, line.trade_no) as order_no,
        line.trade_no,
        line.log_no,
        line.billed_on as day,
        line.finished_at as moment,
        coalesce(line.income_fen, 0) - abs(coalesce(line.expense_fen, 0)) as fen
    from {lake}account_log as line
    semi join current
        on line.load_id = current.load_id and line.account = current.account
        and line.billed_on = current.day and current.kind = 'account_bill'
    where line.billed_on between {first_day} - 3 and {last_day} + 3
),
said_paid as (
    select channel, order_no, trade_no, home_day, paid_at as moment, amount_fen
    from {lake}deliveries
    where
        verdict = 'valid' and proves_paid
        and paid_at >= {first_day} - 4 and paid_at < {last_day} + 5
    union all
    select channel, order_no, trade_no, home_day, received_at, amount_fen
    from {lake}deliveries
    where
        verdict = 'valid' and proves_paid and not is_refund and paid_at is null
        and received_at >= {first_day} - 4
        and received_at < {last_day} + 5
    union all
    select channel, order_no, trade_no, home_day, coalesce(channel_paid_at, happened_at), null
    from {lake}checkout_log
    where
        event = 'attempt' and says = 'paid' and channel is not null
        and happened_at >= {first_day} - 4
        and coalesce(channel_paid_at, happened_at) >= {first_day} - 4
        and coalesce(channel_paid_at, happened_at) < {last_day} + 5
),
paid as (
    select
        channel,
        order_no,
        any_trade_no as trade_no,
        min(home_day) as home_day,
        min(moment) as moment,
        min(amount_fen) as amount_fen
    from (
        select
            *,
            coalesce(trade_no, max(trade_no) over (partition by channel, order_no))
                as any_trade_no
        from said_paid
        where order_no is not null
    )
    group by channel, order_no, any_trade_no
),
ordered as (
    select channel, order_no, min(amount_fen) as amount_fen
    from {lake}trade as trade
    semi join (
        select order_no, home_day from paid
        union
        select order_no, home_day from bill_lines where kind = 'payment'
    ) as wanted on trade.order_no = wanted.order_no and trade.home_day = wanted.home_day
    where trade.ordered_at is not null
    group by channel, order_no
),
given_back as (
    -- One that the bill has as accepted belongs to that day, however much later it succeeded.
    select channel, order_no, refund_no, min(moment) as moment, max(told_fen) as fen
    from (
        select
            channel, order_no, refund_no, coalesce(accepted_at, refunded_at) as moment, told_fen
        from {lake}refund
        where
            (told_fen is not null or notified_at is not null)
            and refunded_at >= {first_day} - 4
            and coalesce(accepted_at, refunded_at) >= {first_day} - 4
            and coalesce(accepted_at, refunded_at) < {last_day} + 5
        union all
        select channel, order_no, coalesce(refund_no, order_no), happened_at, null
        from {lake}checkout_log
        where
            event = 'attempt' and method like '%refund' and reached_channel and is_known
            and reason is null and channel is not null
            and happened_at >= {first_day} - 4
            and happened_at < {last_day} + 5
    )
    group by channel, order_no, refund_no
),
asked_back as (
    select distinct channel, order_no, coalesce(refund_no, order_no) as refund_no
    from {lake}checkout_log
    where
        event = 'attempt' and method like '%refund' and channel is not null
        and happened_at >= {first_day} - 40
        and happened_at < {last_day} + 5
),
alias as (
    select channel, account, number, min(order_no) as order_no
    from (
        select channel, account, order_no as number, order_no from bill_lines
        union all
        select channel, account, trade_no, order_no from bill_lines
        union all
        select channel, account, refund_no, order_no from bill_lines where kind = 'refund'
        union all
        select channel, account, refund_no, order_no from not_back
    )
    where order_no is not null
    group by channel, account, number
),
found as (
    select
        log.* exclude (trade_no) replace (coalesce(own.order_no, other.order_no) as order_no),
        log.order_no as number
    from movements as log
    left join alias as own
        on log.channel = own.channel and log.account = own.account
        and log.order_no = own.number
    left join alias as other
        on log.channel = other.channel and log.account = other.account
        and log.trade_no = other.number
    where log.kind in ('payment', 'refund', 'fee', 'split')
),
-- A refund under a number that no bill knows belongs to the only refund of its amount that lacks one.
adopted as (
    select stray.channel, stray.account, stray.number, lone.order_no
    from (select * from found where kind = 'refund' and order_no is null) as stray
    inner join (
        select line.*
        from bill_lines as line
        anti join (select * from found where kind = 'refund') as own
            using (channel, account, order_no)
        where line.kind = 'refund'
    ) as lone
        on stray.channel = lone.channel and stray.account = lone.account
        and stray.day between lone.day - 1 and lone.day + 1
        and stray.fen in (-lone.receipt_fen, lone.service_fen - lone.receipt_fen)
    qualify
        count(*) over (partition by stray.channel, stray.account, stray.number) = 1
        and count(*) over (partition by lone.place) = 1
),
placed as (
    select
        log.* exclude (number)
        replace (coalesce(log.order_no, adopted.order_no, log.number) as order_no)
    from found as log
    left join adopted using (channel, account, number)
),
-- A channel may give a fee back within the refund's movement: 退款总金额…;含手续费….
netted as (
    select back.channel, back.account, back.order_no, back.day, back.moment, told.fee_fen
    from (
        select channel, account, order_no, day, min(moment) as moment, sum(fen) as fen
        from placed
        where kind = 'refund'
        group by all
    ) as back
    inner join (
        select
            channel, account, order_no, day,
            sum(receipt_fen) as receipt_fen,
            sum(service_fen)::bigint as fee_fen
        from bill_lines
        where kind = 'refund'
        group by all
    ) as told using (channel, account, order_no, day)
    anti join (select * from placed where kind = 'fee' and fen > 0) as apart
        on back.channel = apart.channel and back.account = apart.account
        and back.order_no = apart.order_no and back.day = apart.day
    where told.fee_fen > 0 and back.fen = told.fee_fen - told.receipt_fen
),
by_order as (
    select * from placed
    union all by name
    select channel, account, 'refund' as kind, order_no, day, moment, -fee_fen as fen from netted
    union all by name
    select channel, account, 'fee' as kind, order_no, day, moment, fee_fen as fen from netted
),
fee_gaps as (
    select billed.place, log.fee_fen - billed.fee_fen as gap_fen
    from (
        select
            channel, account, order_no, day,
            min_by(place, (kind, moment, place)) as place,
            sum(-sign * service_fen)::bigint as fee_fen
        from bill_lines
        group by all
    ) as billed
    inner join (
        select
            channel, account, order_no, day,
            coalesce(sum(fen) filter (where kind = 'fee'), 0)::bigint as fee_fen
        from by_order
        group by all
        having bool_or(kind in ('payment', 'refund'))
    ) as log using (channel, account, order_no, day)
    where log.fee_fen <> billed.fee_fen
),
amounts as (
    select channel, account, kind, order_no, trade_no, day, moment, sign * receipt_fen as fen
    from bill_lines
    union all
    select channel, account, 'fee', order_no, trade_no, day, moment, -sign * service_fen
    from bill_lines
    union all
    select channel, account, 'split', order_no, trade_no, day, moment, -sign * split_fen
    from bill_lines
    union all
    -- A trade bill without a column of fees has nothing to say of them.
    select channel, account, kind, order_no, null, day, moment, fen
    from by_order
    semi join (
        select channel, account, order_no, day from bill_lines where service_fen is null
    ) as untold using (channel, account, order_no, day)
    where kind = 'fee'
    union all
    -- Nor has one without a column of splits, which may come days after the payment.
    select channel, account, kind, order_no, null, day, moment, fen
    from by_order
    semi join (select * from current where kind = 'trade_bill') as bill
        using (channel, account, day)
    anti join (select channel, account from bill_lines where split_fen is not null) as told
        using (channel, account)
    where kind = 'split'
),
ours as materialized (
    select *, row_number() over () as id
    from (
        select
            'trade_bill' as bill,
            paid.channel,
            '' as account,
            'payment' as kind,
            paid.order_no,
            paid.trade_no,
            null::varchar as refund_no,
            cast(paid.moment + interval 8 hour as date) as day,
            paid.moment,
            coalesce(ordered.amount_fen, paid.amount_fen) as fen
        from paid
        left join ordered using (channel, order_no)
        union all
        select
            'trade_bill', channel, '', 'refund', order_no, null, refund_no,
            cast(moment + interval 8 hour as date), moment, -fen
        from given_back
        union all
        select
            'account_bill', channel, account, kind, coalesce(order_no, trade_no), min(trade_no),
            null, day, min(moment), sum(fen)::bigint
        from amounts
        semi join kept_accounts using (channel, account)
        where fen <> 0
        group by channel, account, kind, coalesce(order_no, trade_no), day
    )
    where day between {first_day} - 2 and {last_day} + 2
),
theirs as materialized (
    select *, row_number() over () as id
    from (
        select
            'trade_bill' as bill, channel, '' as account, kind, order_no, trade_no,
            if(kind = 'refund', refund_no, null) as refund_no, day, moment, sign * order_fen as fen,
            place, currency
        from bill_lines
        union all
        select
            'account_bill', channel, account, kind, order_no, null, null, day, min(moment),
            sum(fen)::bigint, min(log_no), 'CNY'
        from by_order
        where fen <> 0
        group by channel, account, kind, order_no, day
    )
    where day between {first_day} - 2 and {last_day} + 2
),
pairs as (
    select a.id as our_id, b.id as their_id
    from ours as a
    inner join theirs as b using (bill, channel, account, kind, order_no)
    where
        coalesce(a.refund_no, '') = coalesce(b.refund_no, '')
        and coalesce(a.trade_no = b.trade_no, true)
        and b.day between a.day - 1 and a.day + 1
        and (bill = 'trade_bill' or a.day = b.day or a.fen = b.fen)
    qualify
        row_number() over (
            partition by a.id order by abs(a.day - b.day), a.fen is distinct from b.fen, b.moment, b.place
        ) = 1
        and row_number() over (
            partition by b.id order by abs(a.day - b.day), a.fen is distinct from b.fen, a.moment
        ) = 1
),
joined as (
    select
        coalesce(a.bill, b.bill) as bill,
        coalesce(a.channel, b.channel) as channel,
        coalesce(nullif(b.account, ''), a.account, '') as account,
        coalesce(a.kind, b.kind) as kind,
        coalesce(a.order_no, b.order_no) as order_no,
        coalesce(b.trade_no, a.trade_no) as trade_no,
        coalesce(a.refund_no, b.refund_no) as refund_no,
        a.day as our_day,
        b.day as bill_day,
        a.moment as our_at,
        b.moment as bill_at,
        if(a.id is null, null, coalesce(a.fen, b.fen, 0)) as our_fen,
        b.fen as bill_fen,
        b.place,
        b.currency,
        a.id is not null and b.id is not null as is_pair,
        bool_or(a.id is not null) over twins as has_paired_twin,
        coalesce(
            lag(b.day) over (
                partition by b.bill, b.channel, b.kind, b.order_no, b.refund_no
                order by b.moment, b.place
            ) >= b.day - 1,
            false
        ) as is_again
    from ours as a
    left join pairs on a.id = pairs.our_id
    full join theirs as b on pairs.their_id = b.id
    window twins as (
        partition by b.bill, b.channel, b.kind, b.order_no, b.refund_no
        order by b.day
        range between interval 1 day preceding and interval 1 day following
    )
),
known as (
    select
        joined.*,
        own.day is not null and awaited.day is null as is_billed,
        source.day is not null as has_source,
        fee_gaps.gap_fen as fee_gap_fen,
        ordered.order_no is not null or asked_back.order_no is not null as is_expected,
        joined.kind = 'refund' and (joined.channel, joined.order_no, joined.refund_no) in (
            select (channel, order_no, refund_no) from not_back
        ) as is_not_back,
        bill = 'account_bill' or our_day is not null or (
            exists (
                from heard
                where heard.first_day <= joined.bill_day and heard.watermark > joined.bill_at
            )
            and exists (
                from speaking
                where
                    speaking.channel = joined.channel
                    and speaking.day between joined.bill_day - 31
                    and joined.bill_day + 3
            )
        ) as is_compared
    from joined
    left join covered as own
        on joined.channel = own.channel and joined.account = own.account
        and joined.bill = own.kind and joined.our_day = own.day
    left join awaited
        on joined.channel = awaited.channel and joined.our_day = awaited.day
        and joined.bill = 'trade_bill'
    left join covered as source
        on joined.channel = source.channel and joined.account = source.account
        and source.kind = 'trade_bill' and joined.bill_day = source.day
    left join fee_gaps on joined.place = fee_gaps.place and joined.bill = 'trade_bill'
    left join ordered
        on joined.channel = ordered.channel and joined.order_no = ordered.order_no
        and joined.kind = 'payment'
    left join asked_back
        on joined.channel = asked_back.channel and joined.order_no = asked_back.order_no
        and joined.refund_no = asked_back.refund_no and joined.kind = 'refund'
),
judged as (
    select
        *,
        case
            when bill_day is null and not is_billed then 'bill_missing'
            when our_day is null and bill = 'account_bill' and not has_source then 'bill_missing'
            when
                is_pair and our_fen = bill_fen and our_day = bill_day and currency = 'CNY'
                and fee_gap_fen is null
                then 'matched'
            when is_pair and our_fen = bill_fen and our_day <> bill_day and currency = 'CNY'
                then 'cross_day'
            when is_pair and our_fen <> bill_fen and kind <> 'fee' then 'amount_mismatch'
            when
                our_day is null and bill = 'trade_bill' and is_expected
                and not (has_paired_twin or is_again)
                then 'status_mismatch'
            when is_pair and currency <> 'CNY' then 'currency_mismatch'
            when our_day is null and bill = 'trade_bill' and (has_paired_twin or is_again)
                then 'duplicate'
            when bill_day is null and bill = 'trade_bill' and is_not_back then 'status_mismatch'
            when bill_day is null then 'short'
            when our_day is null then 'long'
            else 'fee_mismatch'
        end as class
    from known
)
select
    strftime(coalesce(bill_day, our_day), '%y%m%d') || left(md5(concat_ws(
        '|', bill, channel, account, kind, order_no, refund_no, coalesce(bill_at, our_at), trade_no,
        nullif(row_number() over (
            partition by
                bill, channel, account, kind, order_no, refund_no, coalesce(bill_at, our_at), trade_no
            order by our_day is null, has_paired_twin or is_again, place
        ), 1)
    )), 10) as item,
    bill,
    class,
    channel,
    account,
    coalesce(bill_day, our_day) as day,
    kind,
    order_no,
    trade_no,
    refund_no,
    our_day,
    bill_day,
    our_at,
    bill_at,
    our_fen,
    bill_fen,
    case
        when class = 'fee_mismatch' then coalesce(fee_gap_fen, bill_fen - our_fen)
        when class = 'amount_mismatch' then bill_fen - our_fen
        else coalesce(bill_fen, our_fen)
    end as amount_fen,
    is_compared
from judged
where
    coalesce(bill_day, our_day) between {first_day} and {last_day}
    or our_day between {first_day} and {last_day}

-- Signed rows of buyers' orders (`restated`) that take back the refunds after $as_of.
late as (
    select channel, order_no, home_day, sum(amount_fen)::bigint as late_fen
    from lake.refund
    where refunded_at > $as_of::timestamp
    group by all
),
changed as (
    select -1 as sign, trade.*
    from lake.trade as trade
    semi join late using (channel, order_no, home_day)
    union all by name
    select 1 as sign, trade.* exclude (refunded_fen), refunded_fen - late_fen as refunded_fen
    from lake.trade as trade
    inner join late using (channel, order_no, home_day)
),
restated as ({model})

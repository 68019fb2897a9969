-- One row per line of `{lines}`: the trade of an order of which one payment line is all that is known.
-- `{mark}` is a column beside it. What trade.sql says of such an order, without looking for what else there could be;
-- what it says of each alike is in plain_same.sql.
select
    {mark},
    channel,
    order_no,
    shop_day(coalesce(created_at, finished_at)) as home_day,
    trade_no,
    store,
    order_fen as amount_fen,
    coalesce(created_at, finished_at) as created_at,
    coalesce(created_at, finished_at) as decided_at,
    finished_at as paid_at,
    billed_on,
    receipt_fen,
    abs(service_fen) as fee_fen
from {lines}

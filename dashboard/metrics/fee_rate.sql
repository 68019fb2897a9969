-- One row per dimension: fees charged on payments, and what the contract's rate would have charged.
select
    {dims}
    count(*) as payments,
    sum(receipt_fen)::bigint as base_fen,
    sum(fee_fen) as fee_fen,
    sum(exact_fen) as contract_fen,
    count(*) filter (where fee_fen - exact_fen >= 1) as overcharges,
    coalesce(sum(fee_fen - round(exact_fen)) filter (where fee_fen - exact_fen >= 1), 0)
        as overcharged_fen
from ({lines})
where receipt_fen > 0 {filters}
group by all
having count(*) > 0

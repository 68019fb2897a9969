-- One row per buyer as of $as_of who fits the audience's rules (`chosen`), and what is asked of them.
with
{scored},
{risks},
-- What a buyer said last counts, also after $as_of; a yes and a no of one moment are a no.
said as (
    select buyer, created_at, consent
    from lake.buyer_orders
    where consent is not null and buyer is not null
    group by all
    having sum(orders) > 0
),
agreed as (
    select buyer, arg_max(consent, (created_at, not consent)) as consent from said group by buyer
),
described as (
    select
        scored.channel,
        scored.buyer,
        segment,
        risk,
        last_product,
        last_at as last_paid_at,
        orders,
        scored.net_fen,
        consent,
        -- Every pseudonym begins so; a name that does not was put in an erased buyer's place.
        not starts_with(scored.buyer, 'b') as is_erased,
        buyer_key
    from scored
    inner join judged using (buyer_key)
    left join agreed on scored.buyer = agreed.buyer
),
chosen as (
    select * from described where true {rules}
)

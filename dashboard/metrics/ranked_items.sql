-- One row per buyer of `history` (buyer_key, item) and item not bought before: its chance of being
-- next by the pairs of what was bought (`score`), and its places by that and by mere popularity.
people as (
    select distinct buyer_key from history
),
hints as (
    select history.buyer_key, pairs.other as item, max(pairs.confidence) as confidence
    from history
    inner join pairs using (item)
    group by all
),
popular as (
    select * from goods order by n desc, item limit {popular}
),
candidates as (
    select buyer_key, item from people cross join popular
    union
    select buyer_key, item from hints
),
scored as (
    select
        candidates.buyer_key,
        candidates.item,
        goods.name,
        goods.n,
        goods.share,
        greatest(goods.share, coalesce(hints.confidence, 0)) as score
    from candidates
    inner join goods using (item)
    left join hints using (buyer_key, item)
    anti join history using (buyer_key, item)
),
ranked as (
    select
        *,
        row_number() over (partition by buyer_key order by score desc, n desc, item) as place,
        row_number() over (partition by buyer_key order by n desc, item) as popular_place
    from scored
)

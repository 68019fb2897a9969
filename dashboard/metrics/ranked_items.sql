-- One row per buyer of `history` (buyer_key, until, item) and item they do not have: how likely it is
-- next by the pairs of what they have (`score`), and its places by that and by mere popularity.
people as (
    select buyer_key, until, count(*) as had from history group by buyer_key, until
),
hints as (
    select history.buyer_key, history.until, pairs.other as item, max(pairs.confidence) as confidence
    from history
    inner join pairs on history.until = pairs.until and history.item = pairs.item
    group by all
),
popular as (
    select until, item, row_number() over (partition by until order by n desc, item) as rank
    from goods
    qualify rank <= {popular}
),
candidates as (
    select people.buyer_key, people.until, popular.item
    from people
    inner join popular on people.until = popular.until and popular.rank <= people.had + {listed}
    union
    select buyer_key, until, item from hints
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
    inner join goods using (until, item)
    left join hints using (buyer_key, until, item)
    anti join history using (buyer_key, until, item)
),
ranked as (
    select
        *,
        row_number() over (partition by buyer_key order by score desc, n desc, item) as place,
        row_number() over (partition by buyer_key order by n desc, item) as popular_place
    from scored
)

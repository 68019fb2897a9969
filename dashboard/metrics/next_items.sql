-- One row per item that is among the next {listed} of buyers of `history`: for how many of them. With
-- segments, the {listed} best of each; `history` is (buyer_key, segment, until, item).
with
firsts as ({firsts}),
models as (select $until::timestamp as until),
{pairs},
{history},
{ranked}
select
    people.segment,
    ranked.item,
    any_value(ranked.name) as item_name,
    count(*) as buyers,
    avg(ranked.score) as chance_rate,
    any_value(ranked.share) as popular_rate
from ranked
inner join (select distinct buyer_key, segment from history) as people using (buyer_key)
where ranked.place <= {listed}
group by people.segment, ranked.item
qualify
    row_number() over (
        partition by people.segment order by buyers desc, chance_rate desc, ranked.item
    ) <= {listed}
order by people.segment, buyers desc, chance_rate desc, ranked.item

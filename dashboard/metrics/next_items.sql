-- One row per item that is among the next-best {shown} of the buyers asked about: for how many of them.
with
{pairs},
{history},
{ranked}
select
    item,
    any_value(name) as item_name,
    count(*) as buyers,
    avg(score) as chance_rate,
    any_value(share) as popular_rate
from ranked
where place <= {shown}
group by item
order by buyers desc, chance_rate desc, item
limit {shown}

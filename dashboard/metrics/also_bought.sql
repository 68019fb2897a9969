-- One row per ordered pair of items that more buyers have both of than chance explains, best first.
with
firsts as ({firsts}),
models as (select $until::timestamp as until),
{pairs}
select * exclude (until)
from pairs
order by lift_low desc, together desc, item, other
limit {most}

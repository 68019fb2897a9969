-- One row per ordered pair of items that are bought together more often than by chance, best first.
with
{pairs}
select *, confidence / other_share as lift
from pairs
order by lift desc, together desc, item, other
limit {most}

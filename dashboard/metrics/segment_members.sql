-- One row per buyer as of $as_of: the segment.
with
{scored}
select buyer_key, segment from scored

-- One row per channel and kind of span: the median, and the bounds its order statistics give it.
-- Up to {exact} spans it is exact; of more, spans are taken as their log-spaced buckets (D9).
select
    channel,
    what,
    any_value(size) as size,
    (
        min(ms) filter (where upto > (size - 1) // 2)
        + min(ms) filter (where upto > size // 2)
    ) / 2 as middle,
    if(
        any_value(low) >= 0 and any_value(high) < any_value(size),
        min(ms) filter (where upto > low), null
    ) as low,
    if(
        any_value(low) >= 0 and any_value(high) < any_value(size),
        min(ms) filter (where upto > high), null
    ) as high
from (
    select
        *,
        floor(size / 2 - {z} * sqrt(size) / 2) as low,
        ceil(size / 2 + {z} * sqrt(size) / 2) as high,
        sum(n) over (partition by channel, what order by ms) as upto
    from (
        select
            channel,
            what,
            if(size > {exact}, bucket_ms(latency_bucket(ms)), ms) as ms,
            any_value(size) as size,
            count(*) as n
        from (
            select span.*, sizes.size
            from {spans} as span
            inner join (select channel, what, count(*) as size from {spans} group by all) as sizes
                using (channel, what)
        )
        group by all
    )
)
group by channel, what

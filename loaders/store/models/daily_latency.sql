-- One row per day of creation, channel, product, stage and log-spaced bucket (1 % relative error).
-- Bucket -1 holds clock skew, 32767 what never arrived within 25 hours.
with
spans as (
    select
        sign,
        shop_day(created_at) as day,
        channel,
        product,
        unnest([
            struct_pack(stage := 'channel', bucket := latency_bucket(channel_ms)),
            struct_pack(
                stage := 'notification',
                bucket := case
                    when paid_at is null then null
                    when not is_received then 32767
                    else latency_bucket(notification_ms)
                end
            ),
            struct_pack(
                stage := 'recognition',
                bucket := case
                    when paid_at is null then null
                    when recognised_at is null and not is_received then 32767
                    else latency_bucket(recognition_ms)
                end
            ),
            struct_pack(
                stage := 'end_to_end',
                bucket := case
                    when paid_at is null or ordered_at is null then null
                    when recognised_at is null and not is_received then 32767
                    else latency_bucket(end_to_end_ms)
                end
            )
        ]) as span
    from changed
    where created_at is not null
)
select
    day,
    channel,
    product,
    span.stage as stage,
    span.bucket as bucket,
    sum(sign)::bigint as orders
from spans
where span.bucket is not null
group by all
having sum(sign) <> 0
order by day

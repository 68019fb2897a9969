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
    union all
    select
        sign,
        shop_day(created_at),
        channel,
        product,
        struct_pack(stage := 'api', bucket := latency_bucket(unnest(api_ms)))
    from changed
    where created_at is not null and len(api_ms) > 0
    union all
    select
        sign,
        shop_day(coalesce(ordered_at, refunded_at)),
        channel,
        product,
        struct_pack(stage := 'refund', bucket := latency_bucket(refund_ms))
    from changed_refund
    where refund_ms is not null
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

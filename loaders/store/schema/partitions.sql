-- How tables lie on disk. Files are found by the span of days they hold, ids by hash bucket.
alter table id_days set partitioned by (bucket);
alter table id_days set sorted by (id_hash asc);
alter table hourly_orders set sorted by (hour asc);
alter table hourly_failures set sorted by (hour asc);
alter table hourly_rungs set sorted by (hour asc);
alter table hourly_money set sorted by (hour asc);
alter table daily_latency set sorted by (day asc);
alter table buyer_orders set sorted by (created_at asc);
alter table buyer_items set sorted by (paid_at asc);

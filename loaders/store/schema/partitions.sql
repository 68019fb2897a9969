-- How the big tables lie on disk: by month of the order's home day, ids by hash bucket.
alter table trade_lines set partitioned by (year(home_day), month(home_day));
alter table account_log set partitioned by (year(billed_on), month(billed_on));
alter table deliveries set partitioned by (year(home_day), month(home_day));
alter table checkout_log set partitioned by (year(home_day), month(home_day));
alter table trade set partitioned by (year(home_day), month(home_day));
alter table refund set partitioned by (year(home_day), month(home_day));
alter table id_days set partitioned by (bucket);
alter table id_days set sorted by (id_hash asc);
alter table hourly_orders set sorted by (hour asc);
alter table hourly_failures set sorted by (hour asc);
alter table hourly_rungs set sorted by (hour asc);
alter table hourly_money set sorted by (hour asc);
alter table daily_latency set sorted by (day asc);

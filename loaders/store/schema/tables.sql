-- The lake's tables. Raw tables carry load_id and line; home_day keeps an order's rows together.
create table if not exists loads (
    load_id bigint, file varchar, channel varchar, kind varchar, account varchar,
    sha256 varchar, content_key varchar, first_day date, last_day date, exported_at timestamp,
    rows bigint, rejected bigint, duplicates bigint, status varchar, loaded_at timestamp,
    watermark timestamp, template varchar, template_values varchar
);
create table if not exists bill_days (
    load_id bigint, channel varchar, account varchar, kind varchar, day date,
    exported_at timestamp, content_key varchar, rows bigint, part varchar
);
create table if not exists rejects (
    load_id bigint, file varchar, line bigint, template varchar, template_values varchar
);
create table if not exists trade_lines (
    load_id bigint, line bigint, home_day date, channel varchar, account varchar, billed_on date,
    trade_no varchar, order_no varchar, type varchar, kind varchar, subject varchar,
    created_at timestamp, finished_at timestamp, store varchar, store_name varchar,
    operator varchar, terminal varchar, order_fen bigint, receipt_fen bigint,
    channel_red_packet_fen bigint, points_fen bigint, channel_discount_fen bigint,
    merchant_discount_fen bigint, voucher_fen bigint, voucher_name varchar,
    merchant_red_packet_fen bigint, card_fen bigint, refund_no varchar,
    service_fen decimal(18, 3), split_fen decimal(18, 3), note varchar,
    currency varchar, refund_state varchar
);
create table if not exists account_log (
    load_id bigint, line bigint, home_day date, channel varchar, account varchar, billed_on date,
    log_no varchar, trade_no varchar, order_no varchar, kind varchar, type varchar, subject varchar,
    finished_at timestamp, income_fen bigint, expense_fen bigint, balance_fen bigint,
    method varchar, note varchar, base_order_no varchar, business_order_no varchar,
    source varchar, description varchar
);
create table if not exists deliveries (
    load_id bigint, line bigint, line_key bigint, hint_day date, home_day date, channel varchar,
    verdict varchar, received_at timestamp, is_receipt_time_known boolean, notify_id varchar,
    order_no varchar, trade_no varchar, status varchar, proves_paid boolean, is_refund boolean,
    is_closed boolean,
    amount_fen bigint, refunded_total_fen bigint, refund_fen bigint, refund_no varchar,
    created_at timestamp,
    paid_at timestamp, refunded_at timestamp, closed_at timestamp, payer varchar
);
create table if not exists checkout_log (
    load_id bigint, line bigint, line_key bigint, hint_day date, home_day date, event varchar,
    order_no varchar, channel varchar, happened_at timestamp, product varchar, client varchar,
    store varchar, campaign varchar, buyer varchar, amount_fen bigint, expires_at timestamp,
    items varchar, campaign_group varchar, discount_fen bigint, consent boolean, attempt integer, method varchar, is_payment boolean, reached_channel boolean,
    code varchar, sub_code varchar, elapsed_ms bigint, reason varchar, source varchar,
    stage varchar, is_known boolean, may_pay boolean, says varchar, channel_paid_at timestamp, trade_no varchar,
    refund_no varchar, closed_by varchar
);
create table if not exists trade (
    turn bigint, channel varchar, order_no varchar, home_day date, trade_no varchar, product varchar,
    client varchar, store varchar, campaign varchar, buyer varchar, amount_fen bigint,
    ordered_at timestamp, created_at timestamp, expires_at timestamp, due_at timestamp, decided_at timestamp,
    submitted_at timestamp, last_submitted_at timestamp, paid_at timestamp, paid_by varchar,
    notified_at timestamp, recognised_at timestamp, closed_at timestamp, closed_by varchar,
    settled_outcome varchar, failure_reason varchar, failure_code varchar, failure_source varchar,
    failure_stage varchar,
    failures struct(
        reason varchar, source varchar, stage varchar, code varchar, is_last boolean
    )[],
    attempts integer, is_final boolean, is_succeeded boolean,
    first_attempt varchar, is_recovered boolean, is_received boolean, rung integer,
    duplicates integer, mismatched integer, refunded_fen bigint, is_refunded_30d boolean,
    billed_on date, receipt_fen bigint, fee_fen decimal(18, 3), channel_ms bigint,
    notification_ms bigint, recognition_ms bigint, end_to_end_ms bigint, api_ms bigint[],
    is_holdout boolean, discount_fen bigint, consent boolean,
    items struct(item varchar, name varchar)[]
);
create table if not exists refund (
    turn bigint, channel varchar, order_no varchar, refund_no varchar, home_day date, amount_fen bigint,
    ordered_at timestamp, requested_at timestamp, refunded_at timestamp, notified_at timestamp,
    billed_on date,
    product varchar, client varchar, store varchar, campaign varchar, refund_ms bigint, told_fen bigint,
    state varchar, asked_fen bigint, accepted_at timestamp
);
create table if not exists id_days (bucket tinyint, id_hash bigint, home_day date);
create table if not exists hourly_orders (
    hour timestamp, due_hour timestamp, channel varchar, product varchar, client varchar,
    store varchar, campaign varchar, outcome varchar, orders bigint, amount_fen bigint,
    final bigint, succeeded bigint, first_succeeded bigint, first_failed bigint, recovered bigint,
    expected bigint, received bigint, first_delivered bigint, duplicates bigint,
    mismatched bigint, refunded bigint
);
create table if not exists hourly_failures (
    hour timestamp, due_hour timestamp, channel varchar, product varchar, client varchar,
    store varchar, campaign varchar, source varchar, stage varchar, reason varchar, code varchar,
    attempts bigint, orders bigint, lost_fen bigint
);
create table if not exists hourly_rungs (
    hour timestamp, channel varchar, product varchar, client varchar, store varchar,
    campaign varchar, rung integer, orders bigint
);
create table if not exists hourly_money (
    hour timestamp, channel varchar, product varchar, client varchar, store varchar,
    campaign varchar, paid bigint, paid_fen bigint, refunds bigint, refunded_fen bigint
);
create table if not exists daily_latency (
    day date, channel varchar, product varchar, stage varchar, bucket integer, orders bigint
);
create table if not exists buyer_orders (
    created_at timestamp, paid_at timestamp, buyer_key ubigint, buyer varchar, channel varchar,
    product varchar, client varchar, store varchar, campaign varchar, first_attempt varchar,
    first_reason varchar, is_holdout boolean, consent boolean, orders bigint, net_fen bigint
);
create table if not exists buyer_histories (
    buyer_key ubigint, begun_at timestamp,
    begun_order struct(
        product varchar, client varchar, store varchar, campaign varchar, channel varchar,
        first_attempt varchar, first_reason varchar
    ),
    is_back_30 boolean, is_back_90 boolean, net_90_fen bigint, first_at timestamp,
    first_order struct(
        product varchar, client varchar, store varchar, campaign varchar, channel varchar,
        first_attempt varchar
    ),
    second_at timestamp, last_at timestamp
);
create table if not exists buyer_cells (
    grain varchar, first_day date, channel varchar, product varchar, client varchar, store varchar,
    campaign varchar, period integer, returned bigint, net_fen bigint
);
create table if not exists buyer_gaps (day date, gap_days integer, gaps bigint);
create table if not exists buyer_items (
    paid_at timestamp, channel varchar, buyer_key ubigint, item varchar, name varchar, orders bigint
);
create table if not exists daily_settlement (
    billed_on date, channel varchar, account varchar, kind varchar, store varchar,
    gross_fen bigint, refunded_fen bigint, fee_fen decimal(18, 3), lines bigint
);
create table if not exists erased (mark varchar);
create table if not exists writer (turn bigint);

"""Names of fields, sources and classes as people read them; English is the translation's key."""

from __future__ import annotations

FIELDS = {
    "day": "Day", "hour": "Hour", "week": "Week", "month": "Month",
    "channel": "Channel", "product": "Product", "client": "Client", "store": "Store",
    "campaign": "Campaign", "orders": "Orders", "open": "Open", "matured": "Decided",
    "paid": "Paid", "rate": "Rate", "low": "Low", "high": "High", "paid_fen": "Paid (yuan)",
    "refunds": "Refunds", "refunded_fen": "Refunded (yuan)", "buyers": "Buyers",
    "average_order_fen": "Average order (yuan)", "succeeded": "Succeeded",
    "first_attempt_rate": "First attempt", "recovery_rate": "Recovery", "outcome": "Outcome",
    "amount_fen": "Amount (yuan)", "source": "Source", "stage": "Stage", "reason": "Reason",
    "code": "Code", "attempts": "Attempts", "lost_fen": "Lost (yuan)", "count": "Measured",
    "missing": "Missing", "skewed": "Clock skew", "p50_s": "p50", "p95_s": "p95", "p99_s": "p99",
    "expected": "Expected", "received": "Received", "duplicates": "Duplicates",
    "bad_signature": "Bad signature", "mismatched": "Mismatched",
    "first_delivery_rate": "First delivery", "rung": "Rung", "refunded": "Refunded",
    "mature": "Complete", "gross_fen": "Gross (yuan)", "fee_fen": "Fee (yuan)",
    "net_fen": "Net (yuan)", "order_no": "Order", "trade_no": "Trade", "created_at": "Created",
    "paid_at": "Paid at", "failure_code": "Failure code", "billed_on": "Bill day",
    "load_id": "Load", "file": "File", "kind": "Kind", "account": "Account",
    "first_day": "First day", "last_day": "Last day", "rows": "Rows", "rejected": "Rejected",
    "status": "Status", "loaded_at": "Loaded at", "line": "Line", "why": "Why", "at": "Time",
    "what": "Event", "detail": "Detail", "watermark": "Known up to", "checkout_log": "Checkout log",
    "notification_log": "Notification log", "trade_bill": "Trade bill",
    "account_bill": "Account bill", "refund_no": "Refund", "requested_at": "Requested at",
    "refunded_at": "Refunded at", "took_s": "Took", "monthly_fen": "A month (yuan)",
    "best_fen": "Gain (yuan)", "best_slice": "Best slice", "effect": "Effect", "state": "State",
}
WORDS = {
    "paid": "paid", "paid_late": "paid late", "closed_by_merchant": "closed by the shop",
    "risk_rejected": "rejected by risk control", "insufficient_funds": "insufficient funds",
    "limit_exceeded": "limit exceeded", "payer_restricted": "payer restricted",
    "credential_invalid": "credential invalid", "merchant_config": "shop's configuration",
    "channel_error": "channel error", "timeout_unknown": "unknown", "user_cancelled": "cancelled",
    "user_abandoned": "abandoned", "unmapped": "code not mapped", "open": "still open",
    "customer": "customer", "merchant": "shop", "channel": "channel", "bank": "bank",
    "risk": "risk control", "unknown": "unknown", "create": "create", "submit": "submit",
    "pay": "pay", "confirm": "confirm", "notify": "notify", "notification": "notification",
    "recognition": "recognition", "end_to_end": "end to end", "api": "API call",
    "refund": "refund", "checkout_log": "Checkout log", "notification_log": "Notification log",
    "trade_bill": "Trade bill", "account_bill": "Account bill", "bill_summary": "Bill summary",
    "loaded": "loaded", "replaced": "replaced", "superseded": "superseded",
    "duplicate": "duplicate", "refused": "refused", "undone": "taken back", "partial": "partial",
    "order": "order created", "attempt": "attempt", "close": "closed",
    "bill_payment": "payment on the bill", "bill_refund": "refund on the bill",
    "unnotified": "no notification came", "QUICK_MSECURITY_PAY": "in-app",
    "QUICK_WAP_WAY": "mobile web", "FACE_TO_FACE_PAYMENT": "face to face",
    "QR_CODE_OFFLINE": "QR code", "FAST_INSTANT_TRADE_PAY": "PC web",
    "bill_other": "other line on the bill", "alipay": "Alipay", "wechatpay": "WeChat Pay",
}
WORDED = frozenset(
    {"outcome", "source", "stage", "reason", "kind", "status", "what", "channel", "product"}
)

"""Signed notifications of any content, for tests."""

from __future__ import annotations

import json
from functools import cache
from urllib.parse import urlencode

from loaders.channels.alipay.signing import notification_string, read_private_key, sign
from sample_data.files import APP_ID, SELLER_ID

_read = cache(read_private_key)
"""A key is checked when it is read, which takes as long as signing with it ten times."""


def fields(order_no: str = "M1", **changed: str) -> dict[str, str]:
    """A payment notification's fields."""
    return {
        "gmt_create": "2026-05-03 12:00:00", "charset": "utf-8",
        "gmt_payment": "2026-05-03 12:00:30", "notify_time": "2026-05-03 12:00:31",
        "subject": "手机壳", "buyer_id": "2088000000000099", "version": "1.0",
        "notify_id": f"2026050300222{order_no:>021}", "notify_type": "trade_status_sync",
        "out_trade_no": order_no, "total_amount": "88.88", "trade_status": "TRADE_SUCCESS",
        "trade_no": f"20260503220014{order_no:>014}", "app_id": APP_ID, "seller_id": SELLER_ID,
    } | changed


def signed(key: bytes, message: dict[str, str], sign_type: str = "RSA2") -> dict[str, str]:
    """The fields with the channel's signature."""
    text = notification_string(message)
    made = sign(text.encode(message.get("charset", "utf-8")), _read(key), sign_type)
    return {**message, "sign_type": sign_type, "sign": made}


def body(key: bytes, message: dict[str, str], sign_type: str = "RSA2") -> str:
    """The form body as the channel posts it."""
    return urlencode(
        signed(key, message, sign_type), encoding=message.get("charset", "utf-8")
    )


def envelope(text: str, received_at: str = "2026-05-03T12:00:31.500+08:00") -> str:
    """A line of our receiver's log."""
    return json.dumps(
        {"received_at": received_at, "channel": "alipay", "headers": {}, "body": text}
    )


def order(order_no: str = "M1", **changed: object) -> str:
    """A checkout log's order event."""
    return json.dumps(
        {
            "event": "order", "order_no": order_no, "at": "2026-05-03T12:00:00+08:00",
            "channel": "alipay", "product": "QUICK_WAP_WAY", "amount": "88.88",
            "expires_at": "2026-05-03T12:30:00+08:00", "client": "h5",
        } | changed
    )


def attempt(order_no: str = "M1", **changed: object) -> str:
    """A checkout log's attempt event."""
    return json.dumps(
        {
            "event": "attempt", "order_no": order_no, "attempt": 1,
            "at": "2026-05-03T12:00:05+08:00", "method": "alipay.trade.wap.pay",
            "reached_channel": True, "code": "10000", "elapsed_ms": 200,
        } | changed
    )

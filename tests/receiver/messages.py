"""Messages as a channel posts them, signed by the stand-in channel."""

from __future__ import annotations

import socket
from functools import cache
from urllib.parse import urlencode

from loaders.channels.alipay.signing import (
    PrivateKey,
    notification_string,
    read_private_key,
    sign,
)
from tests.store.messages import fields

TIMES = {
    "gmt_create": "2026-11-20 10:00:00", "gmt_payment": "2026-11-20 10:00:05",
    "notify_time": "2026-11-20 10:00:06",
}


@cache
def _private(key: bytes) -> PrivateKey:
    return read_private_key(key)


def posted(key: bytes, order_no: str, **changed: str) -> str:
    """The form body of a payment notification about an order."""
    message = fields(order_no, **(TIMES | changed))
    signature = sign(notification_string(message).encode("utf-8"), _private(key))
    return urlencode({**message, "sign_type": "RSA2", "sign": signature})


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

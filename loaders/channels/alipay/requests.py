"""Alipay's requests: common parameters, content, signature; a message or an order string."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus, urlencode

from loaders.channels.alipay import encryption, signing
from loaders.channels.alipay.credentials import Credentials
from loaders.channels.protocol import Message, Stamp
from loaders.errors import RefusedInput

_CHINA = timedelta(hours=8)
_NOTED = ("out_trade_no", "trade_no", "out_request_no", "refund_amount")
MAX_FEN = 10_000_000_000
"""100,000,000 yuan, the most an order may have."""


def yuan(amount_fen: int) -> str:
    """Whole fen as the channel writes yuan. Raises RefusedInput outside of what it takes."""
    if not 0 < amount_fen <= MAX_FEN:
        raise RefusedInput("An amount must lie between 0.01 and 100,000,000 yuan.")
    return str(Decimal(amount_fen).scaleb(-2).quantize(Decimal("0.01")))


def china_time(at: datetime) -> str:
    """A naive UTC instant as the channel writes it."""
    return (at + _CHINA).strftime("%Y-%m-%d %H:%M:%S")


def checked(name: str, text: str, longest: int) -> str:
    """`text` if it is of a length and kind the channel takes. Raises RefusedInput."""
    if len(text) > longest or not text.isprintable():
        raise RefusedInput(
            "{field} is longer than {longest} characters, or not plain text.",
            field=name, longest=longest,
        )
    return text


def which_trade(order_no: str, trade_no: str) -> dict[str, str]:
    """The fields that name a trade; the channel takes its own number first."""
    if not order_no and not trade_no:
        raise RefusedInput("Name the order or the trade.")
    return {
        "out_trade_no": checked("order_no", order_no, 64),
        "trade_no": checked("trade_no", trade_no, 64),
    }


def message(
    method: str,
    content: Mapping[str, Any],
    keys: Credentials,
    stamp: Stamp,
    *,
    notify_url: str = "",
    may_repeat: bool = False,
    moves_money: bool = False,
) -> Message:
    """A signed POST. Everything but the charset travels in the body, where nothing logs it."""
    fields = signed_fields(method, content, keys, stamp, notify_url=notify_url)
    charset = fields.pop("charset")
    joint = "&" if "?" in keys.gateway_url else "?"
    return Message(
        channel="alipay",
        method=method,
        verb="POST",
        url=f"{keys.gateway_url}{joint}charset={charset}",
        headers={"content-type": f"application/x-www-form-urlencoded;charset={charset}"},
        body=urlencode(fields, encoding=keys.codec).encode("ascii"),
        may_repeat=may_repeat,
        moves_money=moves_money,
        noted={name: str(content[name]) for name in _NOTED if content.get(name)},
    )


def order_string(
    method: str, content: Mapping[str, Any], keys: Credentials, stamp: Stamp, **urls: str
) -> str:
    """The signed order as the channel's app takes it; after the gateway and `?` it is a page."""
    fields = signed_fields(method, content, keys, stamp, **urls)
    signature = fields.pop("sign")
    pairs = [*sorted(fields.items()), ("sign", signature)]
    return "&".join(f"{key}={quote_plus(value, encoding=keys.codec)}" for key, value in pairs)


def signed_fields(
    method: str, content: Mapping[str, Any], keys: Credentials, stamp: Stamp, **urls: str
) -> dict[str, str]:
    """All parameters with their signature; empty ones left out. Encrypted first, then signed."""
    try:
        text = _content(content, keys, stamp)
        fields = {
            "app_id": keys.app_id,
            "method": method,
            "format": "JSON",
            "charset": keys.charset,
            "sign_type": keys.sign_type,
            "timestamp": china_time(stamp.at),
            "version": "1.0",
            "app_cert_sn": keys.app_cert_sn,
            "alipay_root_cert_sn": keys.root_cert_sn,
            "app_auth_token": keys.app_auth_token,
            "encrypt_type": keys.encrypt_type if keys.aes_key else "",
            "biz_content": text,
            **urls,
        }
        fields = {name: value for name, value in fields.items() if value}
        signed = signing.request_string(fields).encode(keys.codec)
    except UnicodeEncodeError as error:
        raise RefusedInput("A text of the request cannot be written in {charset}.",
                           charset=keys.charset) from error
    return {**fields, "sign": signing.sign(signed, keys.private_key, keys.sign_type)}


def _content(content: Mapping[str, Any], keys: Credentials, stamp: Stamp) -> str:
    kept = {name: value for name, value in content.items() if value not in ("", None, [], {})}
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    if keys.aes_key is None:
        return text
    return encryption.encrypt(
        keys.encrypt_type, keys.aes_key, text.encode(keys.codec), stamp.nonce
    )

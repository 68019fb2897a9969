"""WeChat Pay's requests of API v3: a path, a body, and the Authorization header that signs both.

Source: documents of API v3 on signing requests (WECHATPAY2-SHA256-RSA2048).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from loaders.channels.protocol import Message, Stamp
from loaders.channels.wechatpay import signing
from loaders.channels.wechatpay.credentials import Credentials
from loaders.errors import RefusedInput

SCHEME = "WECHATPAY2-SHA256-RSA2048"
MAX_FEN = 10_000_000_000
_HOSTS = ("api.mch.weixin.qq.com", "api2.mch.weixin.qq.com")
"""The channel's host and its backup."""
_ORDER_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")


def order_number(name: str, text: str, longest: int = 32) -> str:
    """A number of ours as the channel takes it. Raises RefusedInput."""
    if len(text) > longest or not _ORDER_NO.fullmatch(text):
        raise RefusedInput(
            "{field} may have up to {longest} letters, digits and _-|*@ at WeChat Pay.",
            field=name, longest=longest,
        )
    return text


def text_of(name: str, text: str, longest_bytes: int) -> str:
    """`text` if the channel takes it. Raises RefusedInput."""
    if len(text.encode()) > longest_bytes or not (text.isprintable() or not text):
        raise RefusedInput(
            "{field} is longer than {longest} bytes, or not plain text.",
            field=name, longest=longest_bytes,
        )
    return text


def fen(amount_fen: int) -> int:
    """Whole fen the channel takes. Raises RefusedInput."""
    if not 0 < amount_fen <= MAX_FEN:
        raise RefusedInput("An amount must lie between 0.01 and 100,000,000 yuan.")
    return amount_fen


def segment(text: str) -> str:
    """A number as a part of a path."""
    return quote(text, safe="")


def message(
    method: str,
    verb: Literal["GET", "POST"],
    path: str,
    keys: Credentials,
    stamp: Stamp,
    content: Mapping[str, Any] | None = None,
    *,
    noted: Mapping[str, str] | None = None,
    may_repeat: bool = False,
    moves_money: bool = False,
) -> Message:
    """A signed request; `path` with its query, empty values of `content` left out."""
    body = "" if content is None else json.dumps(
        {name: value for name, value in content.items() if value not in ("", None)},
        ensure_ascii=False, separators=(",", ":"),
    )
    headers = {
        "authorization": authorization(verb, path, body, keys, stamp),
        "accept": "application/json",
    }
    if body:
        headers["content-type"] = "application/json"
    if keys.wanted_serial:
        headers["wechatpay-serial"] = keys.wanted_serial
    return Message(
        channel="wechatpay",
        method=method,
        verb=verb,
        url=keys.base_url + path,
        headers=headers,
        body=body.encode(),
        may_repeat=may_repeat,
        moves_money=moves_money,
        noted={name: value for name, value in (noted or {}).items() if value},
    )


def authorization(verb: str, path: str, body: str, keys: Credentials, stamp: Stamp) -> str:
    """The header that proves who asks; it holds for five minutes."""
    timestamp = str(int(stamp.at.replace(tzinfo=UTC).timestamp()))
    nonce = stamp.nonce.hex().upper()
    signed = signing.request_string(verb, path, timestamp, nonce, body)
    parts = {
        "mchid": keys.mchid,
        "nonce_str": nonce,
        "signature": signing.sign(signed, keys.private_key),
        "timestamp": timestamp,
        "serial_no": keys.serial_no,
    }
    return f"{SCHEME} " + ",".join(f'{name}="{value}"' for name, value in parts.items())


def download_headers(url: str, keys: Credentials, stamp: Stamp) -> Mapping[str, str]:
    """A bill is fetched with a signature of its own; only the channel's hosts are told it."""
    parts = urlsplit(url)
    if parts.hostname not in (*_HOSTS, urlsplit(keys.base_url).hostname):
        raise RefusedInput("The bill is said to lie on another host than the channel's own.")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return {"authorization": authorization("GET", path, "", keys, stamp), "accept": "*/*"}

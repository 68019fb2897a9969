"""One platform: its keys, its books, its clock and its manners; what it signs and what it refuses."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from loaders.channels.wechatpay import signing
from sample_data.gateway.gateway import Clock
from sample_data.gateway.misbehaviour import Behaviour, Plans
from sample_data.gateway.wechat.books import Books, Refused, Trade
from sample_data.gateway.wechat.keys import PlatformKeys

SCHEME = "WECHATPAY2-SHA256-RSA2048"
_TOLERANCE_S = 300
_PART = re.compile(r'(\w+)="([^"]*)"')
_PROBE = "WECHATPAY/SIGNTEST/"


@dataclass(slots=True)
class Manners:
    """What differs between situations; all can be changed while running.

    `refund_state` is what a refund is in at once. `speed` divides the waits between deliveries.
    `notify_url` hears of orders that name none.
    """

    refund_state: str = "SUCCESS"
    link_s: float = 300.0
    speed: float = 1.0
    notify_url: str = ""
    signs_with_certificate: bool = False

    def change(self, document: Mapping[str, Any]) -> None:
        """Set some of them by name. Raises KeyError for a name that is none of them."""
        known = {item.name for item in fields(self)}
        for name, value in document.items():
            if name not in known:
                raise KeyError(name)
            setattr(self, name, value)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, signed and ready to be sent."""

    status: int
    content: bytes
    signed: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """The bytes."""
        return self.content

    def headers(self) -> dict[str, str]:
        """What stands beside them."""
        return {"Content-Type": "application/json; charset=utf-8", **self.signed}


class Platform:
    """The channel as a merchant sees it. `told` hears of every payment and refund."""

    def __init__(self, keys: PlatformKeys, clock: Clock | None = None) -> None:
        self.keys = keys
        self.books = Books()
        self.clock = clock or Clock()
        self.manners = Manners()
        self.plans = Plans()
        self.base_url = "http://127.0.0.1"
        self.links: dict[str, tuple[bytes, datetime]] = {}
        self.told: Callable[[str, Trade, Any], None] = _unheard

    def pay(self, order_no: str, at: datetime | None = None) -> Trade:
        """The buyer pays. Raises Refused."""
        trade = self.books.trade(order_no)
        self.books.pay(trade, at or self.clock())
        self.told("paid", trade, None)
        return trade

    def check(self, verb: str, path: str, body: str, header: str) -> None:
        """Check who asks. Raises Refused."""
        scheme, _, rest = header.partition(" ")
        said = dict(_PART.findall(rest))
        if scheme != SCHEME or said.get("mchid") != self.keys.mchid:
            raise Refused(401, "SIGN_ERROR", "Http头缺少或错误的Authorization")
        if said.get("serial_no", "").lstrip("0") != self.keys.merchant_serial.lstrip("0"):
            raise Refused(401, "SIGN_ERROR", "商户证书序列号有误")
        timestamp, nonce = said.get("timestamp", ""), said.get("nonce_str", "")
        now = datetime.now(UTC).timestamp()
        if not timestamp.isdigit() or abs(now - int(timestamp)) > _TOLERANCE_S:
            raise Refused(401, "SIGN_ERROR", "timestamp与发起请求的时间不得超过5分钟")
        signed = signing.request_string(verb, path, timestamp, nonce, body)
        if not signing.verify(signed, said.get("signature", ""), self.keys.merchant_public):
            raise Refused(401, "SIGN_ERROR", "错误的签名，验签失败")

    def said(self, status: int, document: Mapping[str, Any] | None, bad: Behaviour) -> Said:
        """A document as a signed answer, spoiled as the behaviour asks."""
        body = "" if document is None else json.dumps(
            _distorted(document, bad), ensure_ascii=False, separators=(",", ":")
        )
        headers = self.signature(body, is_stale="stale" in bad)
        if "wrongly_signed" in bad:
            headers["Wechatpay-Nonce"] += "x"
        if "probe" in bad:
            headers["Wechatpay-Signature"] = _PROBE + headers["Wechatpay-Signature"]
        if "other_serial" in bad:
            headers["Wechatpay-Serial"] = "PUB_KEY_ID_0000000000000000000000000000000000"
        if "unsigned" in bad:
            headers = {}
        return Said(status, body.encode(), headers)

    def signature(self, body: str, *, is_stale: bool = False) -> dict[str, str]:
        """The headers with which the platform sends a body."""
        timestamp = str(int(datetime.now(UTC).timestamp()) - (600 if is_stale else 0))
        nonce = secrets.token_hex(16)
        signed = signing.message_string(timestamp, nonce, body)
        own = self.keys.platform_cert_serial if self.manners.signs_with_certificate else self.keys.key_id
        return {
            "Wechatpay-Serial": own, "Wechatpay-Timestamp": timestamp, "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": signing.sign(signed, self.keys.platform_private),
            "Wechatpay-Signature-Type": SCHEME,
        }

    def link(self, content: bytes, packed: bytes) -> dict[str, str]:
        """Where a bill lies for some minutes, and the digest of what is in it."""
        token = secrets.token_urlsafe(24)
        self.links[token] = (packed, self.clock())
        return {
            "hash_type": "SHA1",
            "hash_value": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            "download_url": f"{self.base_url}/v3/billdownload/file?token={token}",
        }

    def bill(self, token: str) -> bytes:
        """The bytes behind a link. Raises Refused."""
        packed, made_at = self.links.get(token, (b"", datetime.min))
        if not packed or (self.clock() - made_at).total_seconds() > self.manners.link_s:
            raise Refused(404, "RESOURCE_NOT_EXISTS", "下载链接已失效")
        return packed


def _unheard(what: str, trade: Trade, detail: Any) -> None:
    """Nobody listens yet."""
    del what, trade, detail


def _distorted(document: Mapping[str, Any], bad: Behaviour) -> dict[str, Any]:
    made = dict(document)
    if "other_order" in bad:
        made |= {name: "OTHER" for name in ("out_trade_no", "out_refund_no") if name in made}
    if "other_amount" in bad and "amount" in made:
        made["amount"] = {
            name: value + 1 if isinstance(value, int) else value
            for name, value in made["amount"].items()
        }
    return made

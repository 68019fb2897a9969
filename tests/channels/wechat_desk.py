"""WeChat Pay's desk for tests: signs replies as the channel does, and knows the keys of both sides."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from loaders.channels.protocol import Message, Reply, Stamp
from loaders.channels.wechatpay import signing
from loaders.channels.wechatpay.credentials import Credentials
from sample_data.wechat_files import APPID, MCHID, SERIAL

STAMP = Stamp(datetime(2026, 11, 1, 2, 0, 0), bytes(range(16)))


@dataclass(frozen=True)
class WechatDesk:
    """Both sides' keys: `keys` is what the shop holds, `channel_key` what the channel signs with."""

    keys: Credentials
    channel_key: signing.PrivateKey

    def answer(self, http: int = 200, **fields: Any) -> Reply:
        """A signed reply of these fields."""
        return self.signed(json.dumps(fields, ensure_ascii=False) if fields else "", http)

    def refusal(self, code: str, status: int = 400) -> Reply:
        """A signed error."""
        return self.answer(http=status, code=code, message="说明")

    def signed(self, body: str, status: int = 200, at: datetime = STAMP.at) -> Reply:
        """A reply whose body is exactly this text, signed at an instant and received at STAMP's."""
        timestamp = str(int(at.replace(tzinfo=UTC).timestamp()))
        made = signing.sign(signing.message_string(timestamp, "n0nce", body), self.channel_key)
        headers = {
            "wechatpay-serial": SERIAL, "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": "n0nce", "wechatpay-signature": made,
        }
        return Reply(status, headers, body.encode(), STAMP.at)

    def opened(self, message: Message) -> dict[str, Any]:
        """A message's content, after its signature was checked with the shop's public key."""
        scheme, _, rest = message.headers["authorization"].partition(" ")
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        parts = urlsplit(message.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        signed = signing.request_string(
            message.verb, path, said["timestamp"], said["nonce_str"], message.body.decode()
        )
        assert scheme == "WECHATPAY2-SHA256-RSA2048"
        assert (said["mchid"], said["serial_no"]) == (self.keys.mchid, self.keys.serial_no)
        assert signing.verify(signed, said["signature"], self.keys.private_key.public_key())
        found: dict[str, Any] = json.loads(message.body) if message.body else {}
        return found


def spoiled(reply: Reply, **headers: str) -> Reply:
    """A reply with some headers changed, `_` for `-`; an empty text takes one away."""
    given = {**reply.headers, **{name.replace("_", "-"): text for name, text in headers.items()}}
    return replace(reply, headers={name: text for name, text in given.items() if text})


def make_wechat_desk() -> WechatDesk:
    """A desk with fresh keys."""
    own, channel = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in "ab")
    return WechatDesk(
        Credentials(MCHID, "5F3A9C0011", own, {SERIAL: channel.public_key()}, APPID), channel
    )

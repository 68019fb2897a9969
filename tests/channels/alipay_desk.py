"""A channel's desk for tests: signs replies as Alipay does, and knows the keys of both sides."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from loaders.channels.alipay import encryption, signing
from loaders.channels.alipay.credentials import Credentials
from loaders.channels.protocol import Message, Reply, Stamp

STAMP = Stamp(datetime(2026, 11, 1, 2, 0, 0), bytes(range(16)))


@dataclass(frozen=True)
class Desk:
    """Both sides' keys: `keys` is what the shop holds, `channel_key` what Alipay signs with."""

    keys: Credentials
    channel_key: signing.PrivateKey

    def having(self, **changes: Any) -> Desk:
        """The same desk with other settings of the shop."""
        return replace(self, keys=replace(self.keys, **changes))

    def signed(self, content: str, method: str, *, node: str = "", extra: str = "") -> Reply:
        """A reply whose node is exactly this text."""
        name = node or method.replace(".", "_") + "_response"
        sign = signing.sign(content.encode(self.keys.codec), self.channel_key, self.keys.sign_type)
        return self.reply(f'{{"{name}":{content},{extra}"sign":"{sign}"}}')

    def answer(self, method: str, **fields: Any) -> Reply:
        """A signed reply of these fields; code 10000 unless told otherwise."""
        return self.signed(self.text(fields), method)

    def text(self, fields: dict[str, Any]) -> str:
        """The node's text, encrypted where the shop has a key for that."""
        text = json.dumps({"code": "10000", "msg": "Success"} | fields, ensure_ascii=False,
                          separators=(",", ":")).replace("/", "\\/")
        if self.keys.aes_key is None:
            return text
        sealed = encryption.encrypt(
            self.keys.encrypt_type, self.keys.aes_key, text.encode(self.keys.codec), STAMP.nonce
        )
        return f'"{sealed}"'

    def reply(self, body: str, status: int = 200) -> Reply:
        """A reply as the gateway sends it: HTML by its header."""
        headers = {"content-type": f"text/html;charset={self.keys.charset}"}
        return Reply(status, headers, body.encode(self.keys.codec))

    def opened(self, message: Message) -> dict[str, str]:
        """A message's parameters, after its signature was checked with the shop's public key."""
        codec = self.keys.codec
        fields = dict(parse_qsl(urlsplit(message.url).query, encoding=codec)) | dict(
            parse_qsl(message.body.decode("ascii"), encoding=codec)
        )
        content = signing.request_string(fields).encode(codec)
        public = self.keys.private_key.public_key()
        assert signing.verify(content, fields["sign"], public, fields["sign_type"])
        return fields

    def content(self, message: Message) -> dict[str, Any]:
        """What a message asks, in clear."""
        text = self.opened(message)["biz_content"]
        if self.keys.aes_key is not None:
            text = encryption.decrypt(
                self.keys.encrypt_type, self.keys.aes_key, text
            ).decode(self.keys.codec)
        found: dict[str, Any] = json.loads(text)
        return found


def make_desk() -> Desk:
    """A desk with fresh keys."""
    app, channel = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in "ab")
    return Desk(Credentials("2021000000000001", app, channel.public_key()), channel)

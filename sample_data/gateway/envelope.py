"""The gateway's side of a signed call: check and open the request, seal the answer.

Source: Alipay's documents on common parameters, signing, responses and content encryption.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from os import urandom
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from loaders.channels.alipay.signing import request_string, sign, verify
from sample_data.gateway.keys import GatewayKeys
from sample_data.gateway.refusals import Refused

_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030"}
_TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was checked: its common parameters and its opened business content."""

    method: str
    fields: Mapping[str, str]
    biz: dict[str, Any]

    def text(self, name: str) -> str:
        """A business parameter as text, empty if absent."""
        value = self.biz.get(name)
        return str(value).strip() if isinstance(value, str | int | float) else ""

    def options(self) -> list[str]:
        """`query_options`, which some clients send as a JSON text."""
        value = self.biz.get("query_options") or []
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = value.split(",")
        return [str(item) for item in value] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is bytes: the node's raw text, its signature, and how to write it."""

    name: str
    node: str
    charset: str = "utf-8"
    signature: str | None = None
    cert_sn: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = field(default=("extra", "node", "cert", "sign"))

    @property
    def status(self) -> int:
        """The HTTP status: refusals come with 200 too."""
        return 200

    def headers(self) -> dict[str, str]:
        """HTML by its header, whatever it is."""
        return {"Content-Type": f"text/html;charset={self.charset}"}

    def body(self) -> bytes:
        """The root object. The node stands in it exactly as it was signed."""
        parts = {
            "extra": [f'"{name}":{text}' for name, text in self.extra],
            "node": [f'"{self.name}":{self.node}'],
            "cert": [f'"alipay_cert_sn":"{self.cert_sn}"'] if self.cert_sn else [],
            "sign": [f'"sign":"{self.signature}"'] if self.signature is not None else [],
        }
        return f"{{{','.join(item for name in self.order for item in parts[name])}}}".encode(
            self.charset
        )


def codec(charset: str) -> str | None:
    """Python's name of a charset the gateway accepts."""
    return _CHARSETS.get(charset.strip().lower())


def node_name(method: str) -> str:
    """The name of a method's answer."""
    return method.replace(".", "_") + "_response"


def open_call(fields: Mapping[str, str], keys: GatewayKeys) -> Call:
    """Check a request's parameters and signature, and open its content. Raises Refused."""
    _check_presence(fields, keys)
    _check_values(fields)
    _check_certificates(fields, keys)
    _check_signature(fields, keys)
    content = fields.get("biz_content") or "{}"
    if "encrypt_type" in fields:
        content = _opened(fields, keys)
    return Call(fields["method"], fields, _object(content))


def _check_presence(fields: Mapping[str, str], keys: GatewayKeys) -> None:
    """The application comes before everything else: a wrong one gets an unsigned answer."""
    if not fields.get("method"):
        raise Refused("40001", "isv.missing-method", is_signed=False)
    if not fields.get("app_id"):
        raise Refused("40001", "isv.missing-app-id", is_signed=False)
    if fields["app_id"] != keys.app_id:
        raise Refused("40002", "isv.invalid-app-id", is_signed=False)
    for name, word in (
        ("sign", "signature"), ("sign_type", "signature-type"), ("timestamp", "timestamp"),
        ("version", "version"),
    ):
        if not fields.get(name):
            raise Refused("40001", f"isv.missing-{word}")


def _check_values(fields: Mapping[str, str]) -> None:
    if codec(fields.get("charset", "utf-8")) is None:
        raise Refused("40002", "isv.invalid-charset")
    if fields["sign_type"] not in ("RSA2", "RSA"):
        raise Refused("40002", "isv.invalid-signature-type")
    if fields["version"] != "1.0":
        raise Refused("40002", "isv.invalid-version")
    if fields.get("format", "JSON").upper() != "JSON":
        raise Refused("40002", "isv.invalid-format")
    try:
        datetime.strptime(fields["timestamp"], _TIME)
    except ValueError as error:
        raise Refused("40002", "isv.invalid-timestamp") from error


def _check_certificates(fields: Mapping[str, str], keys: GatewayKeys) -> None:
    if not fields.get("app_cert_sn"):
        return
    if fields["app_cert_sn"] != keys.app_cert_sn:
        raise Refused("40002", "isv.app-cert-not-exist")
    if not fields.get("alipay_root_cert_sn"):
        raise Refused("40001", "isv.missing-alipay-root-cert-sn")
    if fields["alipay_root_cert_sn"] != keys.root_cert_sn:
        raise Refused("40002", "isv.invalid-alipay-root-cert-sn")


def _check_signature(fields: Mapping[str, str], keys: GatewayKeys) -> None:
    text = request_string(fields)
    charset = codec(fields.get("charset", "utf-8")) or "utf-8"
    content = text.encode(charset, "replace")
    if not verify(content, fields["sign"], keys.app_public, fields["sign_type"]):
        raise Refused(
            "40002", "isv.invalid-signature",
            "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，网关生成的验签字符串为："
            + html.escape(text, quote=False),
        )


def _object(content: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused("40002", "isv.illegal-json") from error
    if not isinstance(value, dict):
        raise Refused("40002", "isv.illegal-json")
    return value


def _opened(fields: Mapping[str, str], keys: GatewayKeys) -> str:
    if not fields["encrypt_type"]:
        raise Refused("40003", "isv.decryption-error-missing-encrypt-type")
    if fields["encrypt_type"] not in ("AES", "AES_V2"):
        raise Refused("40003", "isv.decryption-error-not-valid-encrypt-type")
    try:
        return unlock(fields.get("biz_content", ""), keys.aes_key, fields["encrypt_type"])
    except ValueError as error:
        raise Refused("40003", "isv.decryption-error-unknown") from error


def unlock(text: str, key: bytes, kind: str) -> str:
    """Clear text of AES (zero IV) or AES_V2 (IV in front) content. Raises ValueError."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    vector, raw = (raw[:16], raw[16:]) if kind == "AES_V2" else (bytes(16), raw)
    opener = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    padded = opener.update(raw) + opener.finalize()
    unpadder = PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode("utf-8")


def lock(text: str, key: bytes, kind: str) -> str:
    """AES (zero IV) or AES_V2 (random IV in front) content, base64."""
    vector = urandom(16) if kind == "AES_V2" else bytes(16)
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode("utf-8")) + padder.finalize()
    closer = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    front = vector if kind == "AES_V2" else b""
    return base64.b64encode(front + closer.update(padded) + closer.finalize()).decode("ascii")


def sealed(
    fields: Mapping[str, str], node: Mapping[str, Any], keys: GatewayKeys, chance: random.Random,
    *, is_clear: bool = False, is_signed: bool = True, is_shuffled: bool = False,
) -> Reply:
    """The answer to a request, signed as the request was. Errors of the envelope stay in clear."""
    charset = codec(fields.get("charset", "utf-8")) or "utf-8"
    text = _node_text(node, charset, chance)
    kind = fields.get("encrypt_type", "")
    if kind and not is_clear:
        text = f'"{lock(text, keys.aes_key, kind)}"'
    method = fields.get("method", "")
    reply = Reply(node_name(method) if method else "error_response", text, charset)
    if is_signed:
        reply = signed(reply, keys, fields.get("sign_type", "RSA2"))
        if fields.get("app_cert_sn"):
            reply = replace(reply, cert_sn=keys.channel_cert_sn)
    if is_shuffled:
        reply = replace(reply, order=tuple(chance.sample(reply.order, len(reply.order))))
    return reply


def signed(reply: Reply, keys: GatewayKeys, sign_type: str) -> Reply:
    """The reply with the channel's signature over its node's raw text."""
    kind = sign_type if sign_type in ("RSA", "RSA2") else "RSA2"
    return replace(
        reply, signature=sign(reply.node.encode(reply.charset), keys.channel_private, kind)
    )


def _node_text(node: Mapping[str, Any], charset: str, chance: random.Random) -> str:
    """JSON in no particular key order, with slashes escaped, as the channel writes it."""
    items = list(node.items())
    chance.shuffle(items)
    text = json.dumps(dict(items), ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        text = json.dumps(dict(items), separators=(",", ":"))
    return text.replace("/", "\\/")

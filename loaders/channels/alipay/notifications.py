"""Alipay's asynchronous payment notifications: verify, check that it is ours, read.

Source: open-platform documents on asynchronous notifications (rule V1); the charset gotcha and
the empty-value contradiction are covered by the published vectors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

from loaders.channels.alipay import codes, signing
from loaders.channels.protocol import Acknowledgement
from loaders.errors import BadSignature, ConfigurationError, RefusedInput, UnknownMessage
from loaders.records import EARLIEST, LATEST, Notification, fen_of_yuan

_CHINA = timedelta(hours=8)
_CHARSET = re.compile(r"(?:^|&)charset=([^&]*)")
_CODECS = frozenset({"utf-8", "utf8", "gbk", "gb2312", "gb18030"})
_READ = frozenset({
    "app_id", "seller_id", "notify_id", "notify_time", "out_trade_no", "trade_no", "trade_status",
    "total_amount", "refund_fee", "out_biz_no", "gmt_create", "gmt_payment", "gmt_refund",
    "gmt_close", "buyer_id", "buyer_open_id",
})
_FOLDED = re.compile(rf"&(?:{'|'.join(sorted(_READ))})=")
_COMMON_CODES = (("%3A", ":"), ("%2B", "+"), ("%2F", "/"), ("%3D", "="))

RETRY_LADDER_S = (240, 840, 1440, 5040, 12240, 33840, 87840)
"""Seconds after the payment at which delivery 2, 3, … is due: 4 m, 10 m, 10 m, 1 h, 2 h, 6 h, 15 h."""

ACCEPTED = Acknowledgement(b"success", "text/plain")
REFUSED = Acknowledgement(b"fail", "text/plain")
"""Anything but the seven letters of `success` is a failed delivery to Alipay."""

SIGNED_HEADERS: tuple[str, ...] = ()
"""None: everything an Alipay message says, and its signature, is in its body."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a message is verified and checked against; an empty id is not compared."""

    public_key: signing.PublicKey
    app_id: str
    seller_id: str
    charset: str


def read_keys(config: Mapping[str, Any], read: Callable[[str], bytes]) -> Keys:
    """Keys from `[channels.alipay]`: the public key file, or the certificate file."""
    if name := config.get("alipay_cert_file"):
        key = signing.certificate_public_key(read(str(name)))
    elif name := config.get("alipay_public_key_file"):
        key = signing.read_public_key(read(str(name)))
    else:
        raise ConfigurationError(
            "No key to verify Alipay's messages with: set alipay_public_key_file (or"
            " alipay_cert_file) under [channels.alipay] in mdash.toml."
        )
    return Keys(
        public_key=key,
        app_id=str(config.get("app_id", "")),
        seller_id=str(config.get("seller_id", "")),
        charset=str(config.get("charset", "utf-8")),
    )


def read(
    headers: Mapping[str, str],
    message: str | Mapping[str, Any],
    keys: Keys,
    received_at: datetime | None = None,
) -> Notification:
    """One notification from its form body, or from its fields as a shop logged them.

    Raises BadSignature, UnknownMessage if it is genuine but not a payment notification, or
    RefusedInput if unreadable.
    """
    del headers, received_at
    if isinstance(message, str):
        fields, charset = form_fields(message, keys.charset)
    else:
        fields = {key: _text(value) for key, value in message.items()}
        charset = fields.get("charset") or keys.charset
    verify(fields, charset, keys)
    return _record(fields, keys)


def persons(body: str, keys: Keys) -> dict[str, str]:
    """What a verified message's body says of its buyer."""
    fields, _ = form_fields(body, keys.charset)
    found = {
        "payer_id": fields.get("buyer_id") or fields.get("buyer_open_id", ""),
        "payer_logon": fields.get("buyer_logon_id", ""),
    }
    return {name: text for name, text in found.items() if text}


def _text(value: object) -> str:
    """A logged value as it was signed; nested JSON was a compact JSON text."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def form_fields(body: str, fallback: str = "utf-8") -> tuple[dict[str, str], str]:
    """Fields of a form body, decoded once by its own `charset`, and that charset.

    A body that names none is tried as the order's charset, then as GBK (traffic of 2015).
    """
    named = _CHARSET.search(body)
    declared = unquote_plus(named.group(1)).strip() if named else ""
    pairs = [pair.partition("=") for pair in body.replace("+", " ").split("&") if pair]
    for charset in dict.fromkeys([declared or fallback, fallback, "gbk"]):
        if charset.lower() not in _CODECS:
            continue
        try:
            fields = {
                (_decoded(name, charset) if "%" in name else name):
                (_decoded(value, charset) if "%" in value else value)
                for name, _, value in pairs
            }
        except (UnicodeDecodeError, LookupError):
            continue
        if len(fields) != len(pairs):
            raise RefusedInput("The message names a field twice.")
        return fields, charset
    raise RefusedInput("The message's text cannot be decoded.")


def _decoded(text: str, charset: str) -> str:
    """One percent-encoded text. The signs that base64 and times are full of go first, and fast."""
    for code, sign in _COMMON_CODES:
        text = text.replace(code, sign)
    return unquote_to_bytes(text).decode(charset) if "%" in text else text


def verify(fields: Mapping[str, str], charset: str, keys: Keys) -> None:
    """Check the V1 signature; text without a declared charset may have been signed as GBK.

    Raises BadSignature.
    """
    signature, sign_type = fields.get("sign", ""), fields.get("sign_type", "RSA2")
    if not signature:
        raise BadSignature("The message carries no signature.")
    tried = [charset] if fields.get("charset") else [charset, "gbk"]
    has_empty = "" in fields.values()
    for keep_empty in (False, True) if has_empty else (False,):
        text = signing.notification_string(fields, keep_empty=keep_empty)
        for codec in dict.fromkeys(tried):
            if codec.lower() not in _CODECS:
                continue
            try:
                content = text.encode(codec)
            except (UnicodeEncodeError, LookupError):
                continue
            if signing.verify(content, signature, keys.public_key, sign_type):
                return _refuse_folded(fields)
    raise BadSignature(
        "The signature does not verify: the message is altered or not from this channel."
    )


def _refuse_folded(fields: Mapping[str, str]) -> None:
    """Raise BadSignature if a field may have been hidden in another's value.

    The signed text joins names and values unescaped, so `a=1&b=2` may be two fields, or one whose
    value is `1&b=2`; both verify. Alipay's gateway lets no order with such a text in.
    """
    for name, value in fields.items():
        if "&" in value and (name in _READ or _FOLDED.search(value)):
            raise BadSignature("The message's fields can be read in two ways; one is not genuine.")


def _record(fields: Mapping[str, str], keys: Keys) -> Notification:
    order_no, status = fields.get("out_trade_no", ""), fields.get("trade_status", "")
    notify_id = fields.get("notify_id", "")
    if not order_no or not notify_id or status not in codes.STATUSES:
        raise UnknownMessage("The message is signed, but is not a payment notification.")
    refunded_total = _fen(fields, "refund_fee")
    is_refund = bool(refunded_total) or bool(fields.get("gmt_refund"))
    return Notification(
        notify_id=notify_id,
        order_no=order_no,
        trade_no=fields.get("trade_no") or None,
        status=status,
        proves_paid=status in codes.PAID_STATUSES or is_refund or bool(fields.get("gmt_payment")),
        is_refund=is_refund,
        is_closed=status == codes.CLOSED_STATUS,
        amount_fen=_fen(fields, "total_amount"),
        refunded_total_fen=refunded_total,
        refund_no=fields.get("out_biz_no") or None,
        created_at=_instant(fields, "gmt_create"),
        paid_at=_instant(fields, "gmt_payment"),
        refunded_at=_instant(fields, "gmt_refund"),
        closed_at=_instant(fields, "gmt_close"),
        sent_at=_instant(fields, "notify_time"),
        payer_id=fields.get("buyer_id") or fields.get("buyer_open_id") or None,
        is_ours=_is_ours(fields, keys),
    )


def _is_ours(fields: Mapping[str, str], keys: Keys) -> bool:
    app = not keys.app_id or fields.get("app_id") == keys.app_id
    seller = fields.get("seller_id")
    return app and (not keys.seller_id or seller is None or seller == keys.seller_id)


def _fen(fields: Mapping[str, str], name: str) -> int | None:
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        return fen_of_yuan(text)
    except ValueError as error:
        raise UnknownMessage("The message's {field} is not an amount.", field=name) from error


def _instant(fields: Mapping[str, str], name: str) -> datetime | None:
    """A channel time (China, no zone written) as naive UTC."""
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnknownMessage("The message's {field} is not a time.", field=name) from error
    if at.tzinfo is not None:
        at = at.replace(tzinfo=None)
    if not EARLIEST <= at <= LATEST:
        raise UnknownMessage("The message's {field} is not a time.", field=name)
    return at - _CHINA


def is_message(message: str | Mapping[str, Any]) -> bool:
    """True if this form body, or fields of these names, is an Alipay notification."""
    if isinstance(message, str):
        return "notify_id=" in message and "sign=" in message and "trade_status=" in message
    return "notify_id" in message and "sign" in message and "trade_status" in message

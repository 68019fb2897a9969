"""WeChat Pay's notifications of API v3: verify, decrypt, check that they are ours, read.

Source: documents of API v3 on 支付通知 and 退款结果通知 and on verifying signatures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loaders.channels.protocol import Acknowledgement
from loaders.channels.wechatpay import codes, signing, verification
from loaders.errors import BadSignature, ConfigurationError, RefusedInput, UnknownMessage
from loaders.records import EARLIEST, LATEST, Notification

RETRY_LADDER_S = (
    15, 30, 60, 240, 840, 2_040, 3_840, 5_640, 7_440, 11_040, 21_840, 32_640, 43_440, 65_040, 86_640
)
"""Seconds after the payment at which delivery 2, 3, … is due: 15 s twice, 30 s, 3 m, 10 m, 20 m,
30 m three times, 60 m, 3 h three times, 6 h twice."""

SIGNED_HEADERS = verification.SIGNED_HEADERS
"""What the channel says beside the body, and `read` needs."""

ACCEPTED = Acknowledgement(b'{"code":"SUCCESS"}', "application/json")
REFUSED = Acknowledgement(b'{"code":"FAIL"}', "application/json")
_V2 = (
    "This is a WeChat Pay message of API v2 (XML). Only v3 is read: set notify_url on v3 orders, or"
    " load the day's bill."
)
_NOT_PAYMENT = "The message is signed, but is not a payment notification."
_DAMAGED = "The message is signed, but its content cannot be read."


@dataclass(frozen=True, slots=True)
class Keys:
    """What a message is verified, decrypted and checked with; an empty id is not compared."""

    public_keys: Mapping[str, signing.PublicKey]
    api_key: bytes
    mchid: str
    appid: str


def read_keys(config: Mapping[str, Any], read: Callable[[str], bytes]) -> Keys:
    """Keys from `[channels.wechatpay]`. Raises ConfigurationError."""
    for name in ("platform_public_key_file", "api_v3_key_file"):
        if not config.get(name):
            raise ConfigurationError(
                "No key to verify WeChat Pay's messages with: set platform_public_key_file,"
                " platform_serial and api_v3_key_file under [channels.wechatpay] in mdash.toml."
            )
    return Keys(
        public_keys=signing.read_public_keys(
            read(str(config["platform_public_key_file"])), str(config.get("platform_serial", ""))
        ),
        api_key=signing.read_api_key(read(str(config["api_v3_key_file"]))),
        mchid=str(config.get("mchid", "")),
        appid=str(config.get("appid", "")),
    )


def read(
    headers: Mapping[str, str],
    message: str | Mapping[str, Any],
    keys: Keys,
    received_at: datetime | None = None,
) -> Notification:
    """One notification from its body as received and its headers (names in lower case).

    Raises BadSignature, UnknownMessage if it is genuine but not one that is read, or RefusedInput
    for what may be readable when it comes again.
    """
    if not isinstance(message, str):
        raise BadSignature(
            "A WeChat Pay message is signed as a whole: log its body unchanged, beside its"
            " Wechatpay-… headers."
        )
    if message.lstrip().startswith("<xml"):
        raise RefusedInput(_V2)
    verify(headers, message, keys, received_at)
    envelope = _object(message)
    return _record(envelope, resource(envelope, keys), keys)


def verify(
    headers: Mapping[str, str], body: str, keys: Keys, received_at: datetime | None = None
) -> None:
    """Check the signature, and that the message was sent when it came. Raises BadSignature."""
    verification.verify(headers, body, keys.public_keys, received_at)


def resource(envelope: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    """The decrypted object of a message. Raises RefusedInput."""
    sealed = envelope.get("resource")
    if not isinstance(sealed, dict) or sealed.get("algorithm") != "AEAD_AES_256_GCM":
        raise UnknownMessage(_NOT_PAYMENT)
    parts = [str(sealed.get(name) or "") for name in ("ciphertext", "nonce", "associated_data")]
    try:
        plain = signing.decrypt(parts[0], parts[1], parts[2], keys.api_key).decode("utf-8")
    except ValueError as error:
        raise RefusedInput(
            "The message is genuine, but the APIv3 key does not open it. Check api_v3_key_file."
        ) from error
    return _object(plain)


def persons(body: str, keys: Keys) -> dict[str, str]:
    """What a verified message's body says of its buyer: an openid, never a logon id."""
    payer = _payer(resource(_object(body), keys))
    return {"payer_id": payer} if payer else {}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnknownMessage(_DAMAGED) from error
    if not isinstance(found, dict):
        raise UnknownMessage(_DAMAGED)
    return found


def _record(envelope: Mapping[str, Any], told: Mapping[str, Any], keys: Keys) -> Notification:
    order_no, notify_id = _text(told, "out_trade_no"), _text(envelope, "id")
    event = str(envelope.get("event_type", ""))
    is_refund = event.startswith("REFUND.")
    state = _text(told, "refund_status" if is_refund else "trade_state")
    if not order_no or not notify_id or state is None or not (
        is_refund or event.startswith("TRANSACTION.")
    ):
        raise UnknownMessage(_NOT_PAYMENT)
    is_paid = not is_refund and state in codes.PAID_STATES
    is_back = is_refund and state == "SUCCESS"
    at = _instant(told, "success_time")
    return Notification(
        notify_id=notify_id,
        order_no=order_no,
        trade_no=_text(told, "transaction_id"),
        status=f"REFUND_{state}" if is_refund else state,
        proves_paid=is_paid or is_back,
        is_refund=is_back,
        is_closed=not is_refund and state in codes.CLOSED_STATES,
        amount_fen=_fen(told, "total"),
        refunded_total_fen=None,
        refund_fen=_fen(told, "refund") if is_refund else None,
        refund_no=_text(told, "out_refund_no"),
        created_at=None,
        paid_at=at if is_paid else None,
        refunded_at=at if is_back else None,
        closed_at=None,
        sent_at=_instant(envelope, "create_time"),
        payer_id=_payer(told),
        is_ours=_is_ours(told, keys),
    )


def _payer(told: Mapping[str, Any]) -> str | None:
    payer = told.get("payer")
    if not isinstance(payer, dict):
        return None
    return _text(payer, "openid") or _text(payer, "sub_openid") or _text(payer, "sp_openid")


def _is_ours(told: Mapping[str, Any], keys: Keys) -> bool:
    mchid = _text(told, "mchid") or _text(told, "sp_mchid")
    appid = _text(told, "appid") or _text(told, "sp_appid")
    return (not keys.mchid or mchid == keys.mchid) and (
        not keys.appid or appid is None or appid == keys.appid
    )


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _fen(told: Mapping[str, Any], name: str) -> int | None:
    """A whole number of fen of the object's `amount`."""
    amount = told.get("amount")
    if not isinstance(amount, dict) or amount.get(name) is None:
        return None
    value = amount[name]
    if type(value) is not int or not 0 <= value < 10**15 or amount.get("currency", "CNY") != "CNY":
        raise UnknownMessage("The message's {field} is not an amount.", field=name)
    return int(value)


def _instant(fields: Mapping[str, Any], name: str) -> datetime | None:
    """An RFC 3339 time as naive UTC; without an offset it is China time."""
    text = _text(fields, name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        offset = at.utcoffset()
        at = at.replace(tzinfo=None) - (timedelta(hours=8) if offset is None else offset)
    except (ValueError, OverflowError) as error:
        raise UnknownMessage("The message's {field} is not a time.", field=name) from error
    if not EARLIEST <= at <= LATEST:
        raise UnknownMessage("The message's {field} is not a time.", field=name)
    return at


def is_message(message: str | Mapping[str, Any]) -> bool:
    """True if this body, or fields of these names, is a message of this channel."""
    if isinstance(message, str):
        text = message.lstrip()
        if text.startswith("<xml"):
            return "<return_code>" in text and ("<transaction_id>" in text or "<req_info>" in text)
        return '"event_type"' in text and '"resource"' in text and '"ciphertext"' in text
    return {"id", "event_type", "resource"} <= set(message)

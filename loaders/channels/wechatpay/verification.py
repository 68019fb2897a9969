"""Whether a message or an answer is WeChat Pay's own: its four headers beside the body as it came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from loaders.channels.wechatpay import signing
from loaders.errors import BadSignature

SIGNED_HEADERS = (
    "wechatpay-serial", "wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature",
)
"""What the channel says beside the body, and `verify` needs."""

_TOLERANCE_S = 300
_PROBE = "WECHATPAY/SIGNTEST/"
_FALSE = "The signature does not verify: the message is altered or not from this channel."


def verify(
    headers: Mapping[str, str],
    body: str,
    public_keys: Mapping[str, signing.PublicKey],
    received_at: datetime | None = None,
) -> None:
    """Check the signature, and that the message was sent when it came. Raises BadSignature."""
    serial, timestamp, nonce, signature = (headers.get(name, "") for name in SIGNED_HEADERS)
    if not signature:
        raise BadSignature("The message carries no signature.")
    if signature.startswith(_PROBE):
        raise BadSignature("This is WeChat Pay's probe: it must not verify, and it did not.")
    key = public_keys.get(signing.serial_number(serial))
    if key is None:
        raise BadSignature(
            "The message is signed with the key {serial}, which is not the one configured. Renew"
            " platform_public_key_file and platform_serial.",
            serial=serial[:60] or "?",
        )
    if not signing.verify(signing.message_string(timestamp, nonce, body), signature, key):
        raise BadSignature(_FALSE)
    if received_at is not None and not _is_fresh(timestamp, received_at):
        raise BadSignature(
            "The message was signed more than five minutes before or after it was received: it was"
            " sent again by somebody else, or a clock is wrong."
        )


def _is_fresh(timestamp: str, received_at: datetime) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit():
        return False
    return abs(received_at.replace(tzinfo=UTC).timestamp() - int(timestamp)) <= _TOLERANCE_S

"""What the product is compared with; each runs in processes of its own."""

from __future__ import annotations

from urllib.parse import parse_qs

from loaders.channels.alipay import signing
from tests.benchmark.inputs import channel_key


def verify_only(arguments: tuple[bytes, list[tuple[bytes, str]]]) -> int:
    """How many of these signatures verify; nothing else is done."""
    key = signing.read_public_key(arguments[0])
    return sum(signing.verify(content, made, key) for content, made in arguments[1])


def sdk_verify(arguments: tuple[bytes, list[str]]) -> int:
    """How many of these bodies python-alipay-sdk parses and verifies."""
    from alipay import AliPay
    from alipay.utils import AliPayConfig

    public = arguments[0].decode()
    client = AliPay(appid="x", app_notify_url=None, app_private_key_string=channel_key().decode(),
                    alipay_public_key_string=public, sign_type="RSA2", config=AliPayConfig(timeout=1))
    good = 0
    for body in arguments[1]:
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        made = fields.pop("sign")
        good += client.verify(fields, made)
    return good

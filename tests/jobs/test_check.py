"""`mdash check` names each wrong key, a wrong clock and a wrong environment, and how to mend it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dashboard import channel_checks
from dashboard.channel_checks import asking_findings
from dashboard.services import Services
from loaders.call_log import now
from sample_data.gateway.keys import (
    APP_CERT,
    APP_PRIVATE,
    APP_PUBLIC,
    CHANNEL_CERT,
    CHANNEL_PUBLIC,
    ROOT_CERT,
    GatewayKeys,
)
from tests.jobs.conftest import Shop

pytestmark = pytest.mark.slow

PEM, RAW = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8, PKCS1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
Folder = tuple[Path, GatewayKeys]


def findings(shop: Shop, language: str = "en") -> list[tuple[bool, str]]:
    services = Services(shop.settings, language=language)
    return [(item["ok"], item["message"]) for item in asking_findings(services, "alipay")]


def written(shop: Shop, name: str, content: bytes) -> None:
    (shop.home / "keys" / name).write_bytes(content)


def changed(shop: Shop, before: str, after: str) -> None:
    path = shop.home / "mdash.toml"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def shapes(key: rsa.RSAPrivateKey) -> list[bytes]:
    """The same key as PEM and as bare base64, in PKCS#8 and PKCS#1."""
    plain = serialization.NoEncryption()
    return [
        key.private_bytes(PEM, PKCS1, plain),
        *(base64.b64encode(key.private_bytes(RAW, kind, plain)) for kind in (PKCS8, PKCS1)),
    ]


def test_right_keys_are_answered_and_the_clock_agrees(shop: Shop) -> None:
    assert findings(shop) == [
        (True, "The keys fit each other."),
        (True, "It agrees with 支付宝's."),
        (True, "It is signed and verifies."),
    ]


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_keys_are_read_in_whatever_shape_the_key_tool_gave_them(
    shop: Shop, gateway_keys: Folder, shape: int
) -> None:
    key = serialization.load_pem_private_key((gateway_keys[0] / APP_PRIVATE).read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    written(shop, APP_PRIVATE, shapes(key)[shape])
    assert [ok for ok, _ in findings(shop)] == [True, True, True]


def other_private() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(PEM, PKCS8, serialization.NoEncryption())


def other_public() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_an_application_key_taken_for_the_channels(shop: Shop, gateway_keys: Folder) -> None:
    written(shop, CHANNEL_PUBLIC, (gateway_keys[0] / APP_PUBLIC).read_bytes())
    [(ok, message)] = findings(shop)
    assert (ok, "应用公钥" in message, "支付宝公钥" in message) == (False, True, True)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (APP_PRIVATE, other_public, "holds a public key"),
        (APP_PRIVATE, lambda: b"not a key", "key"),
        (APP_PRIVATE, other_private, "does not accept our signature"),
        (CHANNEL_PUBLIC, other_public, "is not the right one"),
        (CHANNEL_PUBLIC, other_private, "key"),
    ],
)
def test_a_wrong_key_is_named_with_how_to_mend_it(
    shop: Shop, name: str, content: Callable[[], bytes], told: str
) -> None:
    written(shop, name, content())
    wrong = [message for ok, message in findings(shop) if not ok]
    assert len(wrong) == 1
    assert told in wrong[0]
    chinese = [message for ok, message in findings(shop, "zh") if not ok]
    assert len(chinese) == 1
    assert chinese[0] != wrong[0]


def with_certificates(shop: Shop, folder: Path) -> None:
    for name in (APP_CERT, CHANNEL_CERT, ROOT_CERT):
        written(shop, name, (folder / name).read_bytes())
    changed(shop, "timeout_s = 2\n", (
        f'timeout_s = 2\napp_cert_file = "keys/{APP_CERT}"\nalipay_cert_file = "keys/{CHANNEL_CERT}"\n'
        f'alipay_root_cert_file = "keys/{ROOT_CERT}"\n'
    ))


def test_certificates_that_expire_are_told(
    shop: Shop, gateway_keys: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_certificates(shop, gateway_keys[0])
    assert [ok for ok, _ in findings(shop)] == [True, True, True]
    for days, told in ((3640, "expires on"), (4000, "is valid from")):
        monkeypatch.setattr(channel_checks, "now", lambda days=days: now() + timedelta(days=days))
        found = findings(shop)
        assert found
        assert not any(ok for ok, _ in found)
        assert any(told in message for _, message in found)


def test_a_certificate_of_another_pair(shop: Shop, gateway_keys: Folder) -> None:
    with_certificates(shop, gateway_keys[0])
    written(shop, APP_PRIVATE, other_private())
    [(ok, message)] = findings(shop)
    assert (ok, "not a pair" in message) == (False, True)


def test_a_sandbox_app_at_the_production_gateway_is_told_without_asking(shop: Shop) -> None:
    url = shop.settings.channels["alipay"]["gateway_url"]
    changed(shop, url, "https://openapi.alipay.com/gateway.do")
    changed(shop, 'app_id = "2021', 'app_id = "9021')
    [(ok, message)] = findings(shop)
    assert (ok, "of the sandbox" in message) == (False, True)


def test_an_app_the_channel_does_not_know(shop: Shop) -> None:
    changed(shop, 'app_id = "2021', 'app_id = "2022')
    wrong = [message for ok, message in findings(shop) if not ok]
    assert len(wrong) == 1
    assert "isv.invalid-app-id" in wrong[0]


def test_a_clock_that_is_off_and_one_that_cannot_be_compared(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(hours=8)

    monkeypatch.setattr(channel_checks, "datetime", Late)
    ok, message = findings(shop)[1]
    assert (ok, "-28" in message, "NTP" in message) == (False, True, True)
    changed(shop, shop.settings.channels["alipay"]["gateway_url"], "http://127.0.0.1:9/gateway.do")
    found = findings(shop)
    assert [ok for ok, _ in found] == [True, True, False]
    assert found[1][1].startswith("Unknown")
    assert "cannot be reached" in found[2][1]


def test_the_command_says_so_and_ends_with_2(shop: Shop) -> None:
    written(shop, APP_PRIVATE, other_private())
    ran = shop.mdash("check", "--json")
    assert ran.code == 2
    assert [item["what"] for item in ran.json()["findings"] if not item["ok"]] == ["Answer of 支付宝"]

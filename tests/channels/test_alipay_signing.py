"""Published signatures nobody here wrote, the negative ones included."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from loaders.channels.alipay import notifications, signing
from loaders.errors import BadSignature, ConfigurationError
from tests.conftest import SHARED

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the published vectors are not here")


def vectors(name: str) -> list[Any]:
    path = SHARED / "vectors" / f"{name}.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))["vectors"]
    return [pytest.param(item, id=item["id"]) for item in found]


def keys(vector: dict[str, Any]) -> notifications.Keys:
    return notifications.Keys(
        signing.read_public_key(vector["public_key_pem"].encode()), "", "", vector["charset"]
    )


@pytest.mark.parametrize("vector", vectors("alipay_notify"))
def test_the_signed_string_and_its_signature(vector: dict[str, Any]) -> None:
    key = signing.read_public_key(vector["public_key_pem"].encode())
    text = (
        signing.notification_string(vector["params"])
        if vector["rule"] == "V1"
        else signing.request_string(vector["params"])
    )
    content = vector["string_to_sign"].encode(vector["charset"])
    valid = signing.verify(content, vector["signature"], key, vector["sign_type"])
    assert valid is vector["expect_valid"]
    if vector["expect_valid"]:
        assert text == vector["string_to_sign"]


@pytest.mark.parametrize(
    "vector", [v for v in vectors("alipay_notify") if v.values[0]["rule"] == "V1"]
)
def test_the_reader_accepts_the_genuine_and_no_other(vector: dict[str, Any]) -> None:
    fields, charset = notifications.form_fields(vector["form_body"], vector["charset"])
    is_genuine = vector["expect_valid"] or vector["id"] == "alipay-doc-2015-f2f-utf8-must-fail"
    if is_genuine:  # the last one is genuine as GBK, which the reader falls back to
        notifications.verify(fields, charset, keys(vector))
    else:
        with pytest.raises(BadSignature):
            notifications.verify(fields, charset, keys(vector))


@pytest.mark.parametrize("vector", vectors("alipay_request_sign"))
def test_requests(vector: dict[str, Any]) -> None:
    key = signing.read_public_key(vector["public_key_pem"].encode())
    if vector["params"]:
        assert signing.request_string(vector["params"]) == vector["string_to_sign"]
    content = vector["string_to_sign"].encode(vector["charset"])
    assert signing.verify(content, vector["signature"], key, vector["sign_type"])


@pytest.mark.parametrize("vector", vectors("alipay_cert_sn"))
def test_the_public_key_of_a_certificate_file(vector: dict[str, Any]) -> None:
    if vector["expected_spki_b64"] is None:
        return
    spki = signing.certificate_public_key(vector["pem"].encode()).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert base64.b64encode(spki).decode() == vector["expected_spki_b64"]


def test_a_signature_of_ours_verifies_and_an_altered_text_does_not(channel_key: bytes) -> None:
    private = signing.read_private_key(channel_key)
    for kind in ("RSA2", "RSA"):
        made = signing.sign("金额=1".encode(), private, kind)
        assert signing.verify("金额=1".encode(), made, private.public_key(), kind)
        assert not signing.verify("金额=2".encode(), made, private.public_key(), kind)
        assert not signing.verify("金额=1".encode(), "not base64!", private.public_key(), kind)
    assert not signing.verify(b"x", made, private.public_key(), "MD5")


def test_keys_are_read_as_pem_or_bare_base64_and_wrong_ones_explained(channel_key: bytes) -> None:
    private = signing.read_private_key(channel_key)
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        der = private.private_bytes(
            serialization.Encoding.DER, form, serialization.NoEncryption()
        )
        read = signing.read_private_key(base64.encodebytes(der))
        assert read.public_key().public_numbers() == private.public_key().public_numbers()
    with pytest.raises(ConfigurationError, match="not a public key"):
        signing.read_public_key(channel_key)
    with pytest.raises(ConfigurationError, match="neither PEM nor base64"):
        signing.read_public_key(b"hello, key")

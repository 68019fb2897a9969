"""Mistakes in `[channels.alipay]` that every shop makes once are named, with the way out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from loaders.channels.alipay.credentials import concerns, read_keys
from loaders.errors import ConfigurationError
from tests.channels.alipay_desk import Desk

NOW = datetime(2026, 11, 1)
PUBLIC = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo


def private(key: rsa.RSAPrivateKey, form: str = "PKCS8", encoding: str = "PEM") -> bytes:
    return key.private_bytes(
        getattr(serialization.Encoding, encoding), getattr(serialization.PrivateFormat, form),
        serialization.NoEncryption(),
    )


def certificate(key: rsa.RSAPublicKey, signer: rsa.RSAPrivateKey, ends: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                      x509.NameAttribute(NameOID.COMMON_NAME, "Sample CA")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    made = made.serial_number(77).not_valid_before(NOW - timedelta(days=300)).not_valid_after(ends)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def files(desk: Desk) -> dict[str, bytes]:
    app, alipay = desk.keys.private_key, desk.channel_key
    return {
        "app.pem": private(app),
        "app_public.pem": app.public_key().public_bytes(*PUBLIC),
        "alipay.pem": alipay.public_key().public_bytes(*PUBLIC),
        "aes": base64.b64encode(bytes(16)),
        "app.crt": certificate(app.public_key(), alipay, NOW + timedelta(days=400)),
        "alipay.crt": certificate(alipay.public_key(), alipay, NOW + timedelta(days=20)),
        "root.crt": certificate(alipay.public_key(), alipay, NOW + timedelta(days=4000)),
        "nonsense": b"hello, key",
    }


BASE = {"app_id": "2021000000000001", "app_private_key_file": "app.pem",
        "alipay_public_key_file": "alipay.pem"}
CERTIFIED = {"app_id": "2021000000000001", "app_private_key_file": "app.pem",
             "app_cert_file": "app.crt", "alipay_cert_file": "alipay.crt",
             "alipay_root_cert_file": "root.crt"}


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
@pytest.mark.parametrize("encoding", ["PEM", "DER"])
def test_key_mode(desk: Desk, files: dict[str, bytes], form: str, encoding: str) -> None:
    text = private(desk.keys.private_key, form, encoding)
    files["app.pem"] = base64.encodebytes(text) if encoding == "DER" else text
    keys = read_keys(BASE | {"aes_key_file": "aes"}, files.__getitem__)
    assert keys.private_key.private_numbers() == desk.keys.private_key.private_numbers()
    assert (keys.aes_key, keys.app_cert_sn) == (bytes(16), "")
    for secret in ("PRIVATE", str(bytes(16)), "app_auth_token="):
        assert secret not in repr(keys)


def test_certificate_mode(files: dict[str, bytes]) -> None:
    keys = read_keys(CERTIFIED, files.__getitem__)
    assert len(keys.app_cert_sn) == len(keys.alipay_cert_sn) == len(keys.root_cert_sn) == 32
    told = [str(item) for item in concerns(CERTIFIED, files.__getitem__, NOW)]
    assert len(told) == 1
    assert "alipay_cert_file expires on 2026-11-21" in told[0]
    later = [str(item) for item in concerns(CERTIFIED, files.__getitem__, datetime(2027, 1, 1))]
    assert "valid from 2026-01-05 to 2026-11-21 only" in later[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"app_id": ""}, "Set app_id"),
        ({"app_private_key_file": ""}, "应用私钥"),
        ({"app_private_key_file": "app_public.pem"}, "holds a public key"),
        ({"app_private_key_file": "app.crt"}, "holds a public key"),
        ({"app_private_key_file": "nonsense"}, "neither PEM nor base64"),
        ({"alipay_public_key_file": "app_public.pem"}, "your own application public key"),
        ({"alipay_public_key_file": "app.pem"}, "not a private key"),
        ({"alipay_public_key_file": ""}, "No key to verify"),
        ({"alipay_public_key_file": "", "alipay_cert_file": "alipay.crt"},
         "set app_cert_file, alipay_root_cert_file"),
        ({"aes_key_file": "nonsense"}, "AES key is not base64"),
        ({"aes_key_file": "alipay.b64"}, "24 bytes instead of 16"),
        ({"sign_type": "MD5"}, "must be one of: RSA2, RSA"),
        ({"encrypt_type": "SM4"}, "must be one of: AES, AES_V2"),
        ({"charset": "big5"}, "must be one of: utf-8"),
        ({"gateway_url": "http://openapi.alipay.com/gateway.do"}, "must begin with https://"),
        ({"gateway_url": "openapi.alipay.com"}, "must begin with https://"),
    ],
)
def test_a_mistake_is_named(files: dict[str, bytes], change: dict[str, str], told: str) -> None:
    files["alipay.b64"] = base64.b64encode(bytes(24))
    with pytest.raises(ConfigurationError) as error:
        read_keys(BASE | change, files.__getitem__)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"alipay_cert_file": "app.crt"}, "your own application certificate"),
        ({"app_cert_file": "alipay.crt"}, "not a pair"),
        ({"alipay_root_cert_file": "alipay.pem"}, "holds no certificate"),
    ],
)
def test_a_wrong_certificate_is_named(
    files: dict[str, bytes], change: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_keys(CERTIFIED | change, files.__getitem__)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"app_id": "9021000122682882"}, "is of the sandbox"),
        ({"gateway_url": "https://openapi.alipaydev.com/gateway.do"}, "old sandbox"),
        ({"gateway_url": "https://openapi-sandbox.dl.alipaydev.com/gateway.do"},
         "not of the sandbox"),
        ({}, None),
        ({"gateway_url": "http://127.0.0.1:8600/gateway.do"}, None),
    ],
)
def test_sandbox_and_production_are_told_apart(
    files: Mapping[str, bytes], change: dict[str, Any], told: str | None
) -> None:
    found = [str(item) for item in concerns(BASE | change, files.__getitem__, NOW)]
    assert len(found) == (0 if told is None else 1)
    assert told is None or told in found[0]


def test_a_short_key_is_pointed_out(files: dict[str, bytes]) -> None:
    files["app.pem"] = private(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    assert "1024 bits" in str(concerns(BASE, files.__getitem__, NOW)[0])

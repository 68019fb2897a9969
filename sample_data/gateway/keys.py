"""The keys and certificates of an application and of the gateway, made once and kept in a folder."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from loaders.channels.alipay.signing import (
    PrivateKey,
    PublicKey,
    certificate_public_key,
    read_private_key,
    read_public_key,
)
from sample_data.files import APP_ID, SELLER_ID

APP_PRIVATE, APP_PUBLIC = "app_private_key.pem", "app_public_key.pem"
CHANNEL_PRIVATE, CHANNEL_PUBLIC = "alipay_private_key.pem", "alipay_public_key.pem"
APP_CERT = f"appCertPublicKey_{APP_ID}.crt"
CHANNEL_CERT, ROOT_CERT = "alipayCertPublicKey_RSA2.crt", "alipayRootCert.crt"
AES_KEY = "aes_key.txt"
_YEARS = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class GatewayKeys:
    """What the gateway verifies requests with, signs with, and compares."""

    app_public: PublicKey
    channel_private: PrivateKey
    aes_key: bytes
    app_cert_sn: str
    channel_cert_sn: str
    root_cert_sn: str
    channel_cert: bytes
    app_id: str = APP_ID
    seller_id: str = SELLER_ID


def make_keys(folder: Path) -> GatewayKeys:
    """The keys in `folder`; all of them are made there (mode 0600) if there are none yet."""
    if not (folder / AES_KEY).exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in _fresh_files().items():
            write_secret(folder / name, content)
    return read_keys(folder)


def read_keys(folder: Path) -> GatewayKeys:
    """The keys that `make_keys` left in `folder`."""
    channel_cert = (folder / CHANNEL_CERT).read_bytes()
    certificate_public_key(channel_cert)
    return GatewayKeys(
        app_public=read_public_key((folder / APP_PUBLIC).read_bytes()),
        channel_private=read_private_key((folder / CHANNEL_PRIVATE).read_bytes()),
        aes_key=base64.b64decode((folder / AES_KEY).read_bytes()),
        app_cert_sn=_serial((folder / APP_CERT).read_bytes()),
        channel_cert_sn=_serial(channel_cert),
        root_cert_sn=_serial((folder / ROOT_CERT).read_bytes()),
        channel_cert=channel_cert,
    )


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _fresh_files() -> dict[str, bytes]:
    app, channel, root = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)
    )
    root_name = _name("Stand-in Root Authority R1")
    root_cert = _certificate(root_name, root_name, root.public_key(), root, is_authority=True)
    channel_cert = _certificate(_name("stand-in gateway"), root_name, channel.public_key(), root)
    app_cert = _certificate(_name(APP_ID), root_name, app.public_key(), root)
    return {
        APP_PRIVATE: private_pem(app),
        APP_PUBLIC: public_pem(app),
        CHANNEL_PRIVATE: private_pem(channel),
        CHANNEL_PUBLIC: public_pem(channel),
        APP_CERT: app_cert,
        CHANNEL_CERT: channel_cert + root_cert,
        ROOT_CERT: root_cert,
        AES_KEY: base64.b64encode(secrets.token_bytes(16)) + b"\n",
    }


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """A private key as PKCS#8."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """The public half of a key."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Stand-in Channel"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, signer: PrivateKey,
    *, is_authority: bool = False,
) -> bytes:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _YEARS)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def new_certificate(common: str, key: PublicKey, signer: PrivateKey) -> bytes:
    """A certificate of a key under this name, valid for years."""
    return _certificate(_name(common), _name("Stand-in Root Authority R1"), key, signer)


def _serial(pem: bytes) -> str:
    """The number by which the channel names the first certificate of a file.

    md5 of the issuer in reverse order (CN=…,OU=…,O=…,C=…) and the decimal serial number.
    """
    certificate = x509.load_pem_x509_certificates(pem)[0]
    issuer = ",".join(
        f"{item.rfc4514_attribute_name}={item.value!s}" for item in reversed(list(certificate.issuer))
    )
    text = f"{issuer}{certificate.serial_number}"
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()

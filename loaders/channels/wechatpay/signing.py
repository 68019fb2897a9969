"""WeChat Pay's signatures and encryption over bytes: strings that are signed, keys, AES-GCM.

Source: documents of API v3 on signing, verifying and decrypting; see the published vectors.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from loaders.errors import ConfigurationError

PublicKey = rsa.RSAPublicKey
PrivateKey = rsa.RSAPrivateKey

_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END [A-Z ]+-----", re.DOTALL)


def request_string(method: str, path: str, timestamp: str, nonce: str, body: str = "") -> bytes:
    """What we sign of a request; `path` with its query, `body` empty for GET."""
    return f"{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n".encode()


def message_string(timestamp: str, nonce: str, body: str) -> bytes:
    """What the channel signs of an answer or notification: the body exactly as received."""
    return f"{timestamp}\n{nonce}\n{body}\n".encode()


def verify(content: bytes, signature: str, key: PublicKey) -> bool:
    """True if `signature` (base64) is the key holder's over `content`. Never raises on bad input."""
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, content, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def sign(content: bytes, key: PrivateKey) -> str:
    """Base64 RSASSA-PKCS1-v1_5 signature with SHA-256 over `content`."""
    return base64.b64encode(key.sign(content, padding.PKCS1v15(), hashes.SHA256())).decode("ascii")


def decrypt(ciphertext: str, nonce: str, associated_data: str, key: bytes) -> bytes:
    """AEAD_AES_256_GCM of base64 text, its tag at the end. Raises ValueError if it does not fit."""
    try:
        sealed = base64.b64decode(ciphertext, validate=True)
        return AESGCM(key).decrypt(nonce.encode(), sealed, associated_data.encode())
    except (InvalidTag, binascii.Error) as error:
        raise ValueError("the ciphertext does not fit the key") from error


def encrypt(content: bytes, nonce: str, associated_data: str, key: bytes) -> str:
    """The ciphertext that `decrypt` opens."""
    sealed = AESGCM(key).encrypt(nonce.encode(), content, associated_data.encode())
    return base64.b64encode(sealed).decode("ascii")


def serial_number(text: str) -> str:
    """A key's name in one spelling: hexadecimal serials differ in case and leading zeros."""
    return text.strip().upper().lstrip("0")


def read_public_keys(text: bytes, serial: str) -> Mapping[str, PublicKey]:
    """The platform's keys of a PEM file, each under its serial.

    A certificate has its own; a public key is the one that `serial` (PUB_KEY_ID_…) names. Raises
    ConfigurationError.
    """
    keys: dict[str, PublicKey] = {}
    for found in _PEM.finditer(text):
        kind, block = found.group(1), found.group()
        own, key = _read_key(kind, block)
        name = own or serial_number(serial)
        if not name:
            raise ConfigurationError(
                "Set platform_serial under [channels.wechatpay] in mdash.toml: the 公钥ID"
                " (PUB_KEY_ID_…) that stands beside the WeChat Pay public key on the merchant"
                " platform."
            )
        keys[name] = key
    if not keys:
        raise ConfigurationError(
            "This file holds no key. Download the WeChat Pay public key (微信支付公钥) from the"
            " merchant platform → API安全."
        )
    return keys


def _read_key(kind: bytes, block: bytes) -> tuple[str, PublicKey]:
    """A key, and its serial if it came in a certificate."""
    try:
        if kind == b"CERTIFICATE":
            certificate = x509.load_pem_x509_certificate(block)
            own, key = f"{certificate.serial_number:X}", certificate.public_key()
        else:
            own, key = "", serialization.load_pem_public_key(block)  # type: ignore[assignment]
    except ValueError as error:
        raise ConfigurationError(
            "This is not a WeChat Pay public key or platform certificate. Take 微信支付公钥 from the"
            " merchant platform → API安全, not your own API certificate or private key."
        ) from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigurationError("The public key is not an RSA key; WeChat Pay signs with RSA.")
    return own, key


def read_api_key(text: bytes) -> bytes:
    """The APIv3 key: 32 bytes of text. Raises ConfigurationError."""
    key = text.strip()
    if len(key) != 32:
        raise ConfigurationError(
            "The APIv3 key has {length} characters; it has 32. Take it from the merchant platform →"
            " API安全 → 设置APIv3密钥.",
            length=len(key),
        )
    return key


def read_private_key(text: bytes) -> PrivateKey:
    """The merchant's own key, apiclient_key.pem. Raises ConfigurationError."""
    if b"CERTIFICATE" in text or b"PUBLIC KEY" in text:
        raise ConfigurationError(
            "private_key_file holds a certificate or a public key. Take apiclient_key.pem, not"
            " apiclient_cert.pem."
        )
    try:
        key = serialization.load_pem_private_key(text.strip(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            "private_key_file is not an unencrypted private key in PEM. Take apiclient_key.pem as"
            " the certificate tool wrote it."
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError("The private key is not an RSA key.")
    return key


def validities(text: bytes) -> list[tuple[datetime, datetime]]:
    """From when to when (naive UTC) each certificate of a PEM file is valid."""
    found = [item.group() for item in _PEM.finditer(text) if item.group(1) == b"CERTIFICATE"]
    certificates = [x509.load_pem_x509_certificate(block) for block in found]
    return [
        (item.not_valid_before_utc.replace(tzinfo=None), item.not_valid_after_utc.replace(tzinfo=None))
        for item in certificates
    ]

"""Alipay's signatures over bytes: the strings that are signed, keys, sign and verify.

Source: open-platform documents on signing; conformance cases in the published vectors.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from loaders.errors import ConfigurationError

PublicKey = rsa.RSAPublicKey
PrivateKey = rsa.RSAPrivateKey

_HASHES: dict[str, hashes.HashAlgorithm] = {"RSA2": hashes.SHA256(), "RSA": hashes.SHA1()}
_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


def notification_string(fields: Mapping[str, str], *, keep_empty: bool = False) -> str:
    """The V1 string of a payment notification: without `sign` and `sign_type`, sorted by key."""
    return _joined(fields, ("sign", "sign_type"), keep_empty)


def request_string(fields: Mapping[str, str]) -> str:
    """The string of a request (and of V2 messages): only `sign` stays out, empty values drop."""
    return _joined(fields, ("sign",), keep_empty=False)


def _joined(fields: Mapping[str, str], left_out: tuple[str, ...], keep_empty: bool) -> str:
    return "&".join([
        f"{key}={value}"
        for key, value in sorted(fields.items())
        if (value or keep_empty) and key not in left_out
    ])


def verify(content: bytes, signature: str, key: PublicKey, sign_type: str = "RSA2") -> bool:
    """True if `signature` (base64) is the key holder's over `content`. Never raises on bad input."""
    algorithm = _HASHES.get(sign_type)
    if algorithm is None:
        return False
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, content, padding.PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def sign(content: bytes, key: PrivateKey, sign_type: str = "RSA2") -> str:
    """Base64 RSASSA-PKCS1-v1_5 signature over `content`."""
    return base64.b64encode(
        key.sign(content, padding.PKCS1v15(), _HASHES[sign_type])
    ).decode("ascii")


def _der(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ConfigurationError(
            "The key is neither PEM nor base64. Copy it again from the Alipay console."
        ) from error


def read_public_key(text: bytes) -> PublicKey:
    """Alipay's public key from PEM or bare base64. Raises ConfigurationError."""
    text = text.strip()
    try:
        key = (
            serialization.load_pem_public_key(text)
            if text.startswith(b"-----")
            else serialization.load_der_public_key(_der(text))
        )
    except ValueError as error:
        raise ConfigurationError(
            "This is not a public key. Take the Alipay public key (支付宝公钥) from the console,"
            " not a private key."
        ) from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigurationError("The public key is not an RSA key; Alipay signs with RSA2 or RSA.")
    return key


def read_private_key(text: bytes) -> PrivateKey:
    """Our application private key, PKCS#1 or PKCS#8, PEM or bare base64."""
    text = text.strip()
    try:
        key = (
            serialization.load_pem_private_key(text, password=None)
            if text.startswith(b"-----")
            else serialization.load_der_private_key(_der(text), password=None)
        )
    except (ValueError, TypeError) as error:
        raise ConfigurationError("This is not an unencrypted RSA private key.") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError("The private key is not an RSA key.")
    return key


def certificate_public_key(text: bytes) -> PublicKey:
    """The public key of the first certificate of alipayCertPublicKey_RSA2.crt."""
    first = _PEM.search(text)
    if first is None:
        raise ConfigurationError("This file holds no certificate.")
    try:
        key = x509.load_pem_x509_certificate(first.group()).public_key()
    except ValueError as error:
        raise ConfigurationError("The certificate cannot be read.") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigurationError("The certificate's key is not an RSA key.")
    return key

"""UnionPay's signatures of version 5.1.0: the string, its digest, sign and verify, certificates.

Source: 全渠道平台接入接口规范 第1部分, 签名 (version 5.1.0, signMethod 01).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from loaders.errors import BadSignature

PublicKey = rsa.RSAPublicKey
PrivateKey = rsa.RSAPrivateKey
OWNER = "中国银联股份有限公司"
VERSION, METHOD = "5.1.0", "01"


def string_to_sign(fields: Mapping[str, str]) -> str:
    """All fields but the signature, sorted by name, as they are."""
    return "&".join(
        f"{name}={value}" for name, value in sorted(fields.items()) if name != "signature" and value
    )


def digest(fields: Mapping[str, str], codec: str = "utf-8") -> bytes:
    """What is signed: the SHA-256 of the string, written in lower-case hexadecimal."""
    return hashlib.sha256(string_to_sign(fields).encode(codec)).hexdigest().encode("ascii")


def sign(fields: Mapping[str, str], key: PrivateKey, codec: str = "utf-8") -> str:
    """Base64 RSASSA-PKCS1-v1_5 signature with SHA-256 over the digest."""
    made = key.sign(digest(fields, codec), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(made).decode("ascii")


def verify(fields: Mapping[str, str], key: PublicKey, codec: str = "utf-8") -> bool:
    """True if the fields carry the key holder's signature of 5.1.0. Never raises on bad input."""
    if fields.get("version", VERSION) != VERSION or fields.get("signMethod", METHOD) != METHOD:
        return False
    try:
        raw = base64.b64decode(fields.get("signature", ""), validate=True)
        key.verify(raw, digest(fields, codec), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def signer(fields: Mapping[str, str], authorities: bytes, at: datetime) -> PublicKey:
    """The key of the certificate that a message carries (signPubKeyCert), once it is proven.

    `authorities` are UnionPay's own certificates in PEM; `at` is now (naive UTC). Raises
    BadSignature for a certificate that is not UnionPay's, not issued by them, or out of date.
    """
    try:
        certificate = x509.load_pem_x509_certificate(fields.get("signPubKeyCert", "").encode())
        known = x509.load_pem_x509_certificates(authorities)
    except ValueError as error:
        raise BadSignature("The message carries no certificate that can be read.") from error
    now = at.replace(tzinfo=UTC)
    _prove(certificate, known, now)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    owner = str(names[0].value) if names else ""
    if OWNER not in owner.split("@"):
        raise BadSignature("The message's certificate is not UnionPay's own.")
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadSignature("The message's certificate is not UnionPay's own.")
    return key


def _prove(
    certificate: x509.Certificate, known: list[x509.Certificate], now: datetime, depth: int = 3
) -> None:
    """Follow who issued whom up to a certificate that issued itself."""
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise BadSignature("The message's certificate is out of date.")
    if certificate in known and certificate.issuer == certificate.subject:
        return
    for issuer in known if depth else []:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        _prove(issuer, known, now, depth - 1)
        return
    raise BadSignature("The message's certificate was not issued by UnionPay's authority.")

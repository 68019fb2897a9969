"""Alipay's certificate mode: serial numbers of certificates, and the chain to the root file.

A file is read certificate by certificate: one of the roots does not load, and need not.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from loaders.errors import ConfigurationError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_RSA_FAMILY = "1.2.840.113549.1.1."
_NAMES = {
    NameOID.EMAIL_ADDRESS: "1.2.840.113549.1.9.1",
    NameOID.SERIAL_NUMBER: "2.5.4.5",
}


def read_certificates(text: bytes) -> list[x509.Certificate]:
    """The certificates of a file that can be read, in order. Raises ConfigurationError if none."""
    found = []
    for block in _PEM.findall(text):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                found.append(x509.load_pem_x509_certificate(block))
        except ValueError:
            continue
    if not found:
        raise ConfigurationError("This file holds no certificate.")
    return found


def serial_of(certificate: x509.Certificate) -> str:
    """Alipay's number of a certificate: md5 of its issuer, most specific first, and its serial."""
    issuer = ",".join(
        "+".join(f"{_name(item)}={item.value!s}" for item in rdn) for rdn in reversed(
            list(certificate.issuer.rdns)
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        serial = certificate.serial_number
    return hashlib.md5(f"{issuer}{serial}".encode(), usedforsecurity=False).hexdigest()


def _name(item: x509.NameAttribute[Any]) -> str:
    return _NAMES.get(item.oid, item.rfc4514_attribute_name)


def certificate_serial(text: bytes) -> str:
    """The number of the first certificate of a file (`app_cert_sn`, `alipay_cert_sn`)."""
    return serial_of(read_certificates(text)[0])


def root_serials(text: bytes) -> str:
    """`alipay_root_cert_sn`: the numbers of the RSA-signed certificates, in file order."""
    numbers = [
        serial_of(item)
        for item in read_certificates(text)
        if item.signature_algorithm_oid.dotted_string.startswith(_RSA_FAMILY)
    ]
    if not numbers:
        raise ConfigurationError(
            "The root certificate file holds no RSA-signed certificate. Download"
            " alipayRootCert.crt again from the Alipay console."
        )
    return "_".join(numbers)


def check_chain(text: bytes, roots: bytes) -> None:
    """Check that a file's first certificate comes down from the root file, by signatures.

    Raises ConfigurationError.
    """
    first, *others = read_certificates(text)
    trusted = read_certificates(roots)
    left, current = list(others), first
    for _ in range(len(others) + 1):
        if any(_is_issued_by(current, item) for item in trusted):
            return
        issuer = next((item for item in left if _is_issued_by(current, item)), None)
        if issuer is None:
            break
        left.remove(issuer)
        current = issuer
    raise ConfigurationError(
        "Alipay's certificate does not come from the configured root certificates. Download"
        " alipayCertPublicKey_RSA2.crt and alipayRootCert.crt together from the Alipay console."
    )


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def validity(text: bytes) -> tuple[datetime, datetime]:
    """From when until when (naive UTC) a file's first certificate is valid."""
    first = read_certificates(text)[0]
    return (
        first.not_valid_before_utc.replace(tzinfo=None),
        first.not_valid_after_utc.replace(tzinfo=None),
    )

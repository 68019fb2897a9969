"""The second factor: codes of an authenticator app (TOTP), each good once, its secret sealed."""

from __future__ import annotations

import base64
import os
from datetime import datetime

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyotp.utils import strings_equal

from loaders.errors import ConfigurationError

_NONCE_BYTES = 12
_STEP_S = 30
_EPOCH = datetime(1970, 1, 1)


def new_secret() -> str:
    """A secret for a new authenticator."""
    return pyotp.random_base32()


def seal(key: bytes, name: str, secret: str) -> str:
    """The secret as the ledger keeps it: of use to this account with this home's key only."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, secret.encode(), name.encode())).decode()


def unseal(key: bytes, name: str, sealed: str) -> str:
    """The secret again. Raises ConfigurationError without the key that sealed it."""
    content = base64.b64decode(sealed)
    nonce, rest = content[:_NONCE_BYTES], content[_NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, rest, name.encode()).decode()
    except InvalidTag:
        raise ConfigurationError(
            "The key file of this home (keys/identity.key) is not the one that sealed the second"
            " factors: bring it back, or reset them."
        ) from None


def invitation(name: str, secret: str, shop: str) -> str:
    """What an authenticator app reads from a picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=shop or "mdash")


def used_step(secret: str, code: str, last_step: int | None, at: datetime) -> int | None:
    """The half minute whose code this is, the neighbours included; None for a wrong or used one."""
    totp, present = pyotp.TOTP(secret), int((at - _EPOCH).total_seconds()) // _STEP_S
    plain = "".join(code.split())
    good = [
        step for step in (present - 1, present, present + 1)
        if strings_equal(totp.at(step * _STEP_S), plain)
    ]
    return next((step for step in good if last_step is None or step > last_step), None)

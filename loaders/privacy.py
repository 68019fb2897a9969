"""Pseudonyms of buyers and masking of what must not be stored in clear."""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path

_CARD = re.compile(r"(?<!\d)\d{13,19}(?!\d)")


def pseudonym_key(home: Path) -> bytes:
    """The home's key for pseudonyms."""
    return home_key(home, "pseudonym.key")


def home_key(home: Path, name: str) -> bytes:
    """A secret of the home's own, made once; only the program's user may read it."""
    path = home / "keys" / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = os.urandom(32)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_bytes()
        with os.fdopen(handle, "wb") as file:
            file.write(key)
        return key


def pseudonym(key: bytes, scope: str, buyer_id: str) -> str:
    """A stable name for a buyer that does not give the id back; 80 bits of a keyed hash."""
    digest = hmac.digest(key, f"{scope}:{buyer_id}".encode(), "sha256")
    return "b" + digest[:10].hex()


def mask_cards(text: str) -> str:
    """`text` with every full card number reduced to its last four digits."""
    return _CARD.sub(lambda m: _masked(m.group()) if _is_card(m.group()) else m.group(), text)


def _masked(number: str) -> str:
    return "*" * (len(number) - 4) + number[-4:]


def _is_card(number: str) -> bool:
    """Luhn's check, over lengths a payment card can have."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0

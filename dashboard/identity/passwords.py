"""Passwords: which are taken, and how they are kept (argon2id)."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from functools import cache
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from loaders.errors import RefusedInput

SHORTEST, LONGEST = 12, 1_024
_FEWEST_OTHERS = 8
_FEWEST_KINDS = 5
_HASHER = PasswordHasher()
_AT_ONCE = threading.Semaphore(2)
"""Each hashing holds 64 MiB; more at once would let strangers fill the memory."""


def check(password: str, name: str) -> str:
    """The password as it is hashed. Raises RefusedInput for one that is easily guessed."""
    text = _normal(password)
    if len(text) < SHORTEST:
        raise RefusedInput("A password has {count} characters or more.", count=SHORTEST)
    if len(text) > LONGEST:
        raise RefusedInput("A password has {count} characters at most.", count=LONGEST)
    plain = text.casefold()
    if len(plain.replace(name, "")) < _FEWEST_OTHERS:
        raise RefusedInput("This password is little more than the name. Choose another.")
    if len(set(plain)) < _FEWEST_KINDS or _repeats(plain) or _counts(plain):
        raise RefusedInput("This password is a repetition or a sequence. Choose another.")
    return text


def hashed(password: str) -> str:
    """What is kept of a checked password."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def agrees(kept: str | None, password: str) -> bool:
    """True if the password is the one that was kept. Takes as long if there is none."""
    text = _normal(password) if len(password) <= LONGEST else ""
    with _AT_ONCE:
        try:
            is_same = _HASHER.verify(kept or _nobodys(), text)
        except (VerificationError, InvalidHashError):
            return False
    return is_same and kept is not None


def is_outdated(kept: str) -> bool:
    """True if the password would be hashed with other parameters today."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe())


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def _repeats(text: str) -> bool:
    """True if the text is one piece again and again."""
    return (text + text).find(text, 1) < len(text)


def _counts(text: str) -> bool:
    """True if each character follows the one before it, as in 1234567890 or zyxwvu."""
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    common = max(steps.count(1), steps.count(-1))
    return common * 4 >= len(steps) * 3

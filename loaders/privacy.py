"""Pseudonyms of buyers, and masking: cards, logon ids, phones and names never stand in clear.

A payment card's number is told from other numbers by its issuer's prefix, its length and Luhn's
check; it shows its last four digits. Phones and logon ids are masked as Alipay masks them.
"""

from __future__ import annotations

import hmac
import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from loaders.errors import ConfigurationError

KEY_BYTES = 32


def _digit(span: str) -> str:
    """A class of digits, in their full-width forms as well."""
    return f"[{span}{span.translate({ord(sign): ord(sign) + 0xFEE0 for sign in '0123456789'})}]"


_D = _digit("0-9")
_GAP = "[ .\u00a0\u00b7\u2010-\u2014\u2212\u3000\uff0d\uff0e-]{1,2}"
"""What stands between the groups of a number, in its full-width forms as well."""
_REST = "|".join(
    (
        f"{_D}{{11,17}}",
        f"{_D}{{2}}{_GAP}{_D}{{4}}{_GAP}{_D}{{4}}(?:{_GAP}{_D}{{1,4}}){{1,2}}",
        f"{_D}{{2}}{_GAP}{_D}{{6}}{_GAP}{_D}{{4,5}}",
    )
)
_STARTS = ("2", "2-7"), ("3", "0-9"), ("4-6", "0-9"), ("8", "1-2"), ("9", "5")
_CARD = f"(?:{'|'.join(_digit(one) + _digit(two) for one, two in _STARTS)})(?:{_REST})"
_PHONE = (
    rf"(?:(?:\+|00)?86[ -]?)?{_digit('1')}{_digit('3-9')}{_D}"
    f"(?:{_D}{{8}}|[ -]{_D}{{4}}[ -]{_D}{{4}})"
)
_MAIL = r"[0-9A-Za-z._%+-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.){1,4}[A-Za-z]{2,10}"
_APART = f"(?:^|[^{_D[1:-1]}])", f"(?:$|[^{_D[1:-1]}])"
CARD_HINT = f"{_APART[0]}(?:{_CARD}){_APART[1]}"
"""What every text with a full card number matches, in the dialect of databases (RE2)."""
HINT = f"@|{_APART[0]}(?:{_CARD}|{_PHONE}){_APART[1]}"
"""What every text matches that is masked in any way."""

_NUMBER = re.compile(r"[0-9A-Za-z_|*-]{1,64}")
_PSEUDONYM = re.compile(r"[bx][0-9a-f]{20}")
_BUYER = re.compile(rf"2088[0-9]{{12}}|o[0-9A-Za-z_-]{{27}}|{_PSEUDONYM.pattern}")
"""Ids of buyers at the channels, and our names for them."""
_HINT = re.compile(HINT)
_GROUP = re.compile(f"{_D}+")
_CARDS = re.compile(rf"(?<!{_D})(?:{_CARD})(?!{_D})")
_PHONES = re.compile(rf"(?<!{_D})(?:{_PHONE})(?!{_D})")
_MAILS = re.compile(_MAIL)
_ISSUERS = (
    ("4", (13, 16, 19)), ("34", (15,)), ("37", (15,)), ("36", (14,)), ("38", (14,)), ("39", (14,)),
    ("62", range(16, 20)), ("60", range(16, 20)), ("65", range(16, 20)), ("81", range(16, 20)),
    ("9558", (19,)), ("9559", (19,)),
    *((str(number), (16,)) for number in (*range(51, 56), *range(2221, 2721))),
    *((str(number), (14,)) for number in range(300, 306)),
    *((str(number), range(16, 20)) for number in (*range(3528, 3590), *range(644, 650),
                                                  *range(2200, 2205))),
    *((str(number), range(13, 20)) for number in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762,
                                                  6763)),
)
"""Prefixes of Visa, Mastercard, American Express, Diners, UnionPay and older cards of its members,
Discover, JCB, Mir and Maestro, with the lengths of their numbers."""
_LENGTHS: dict[str, frozenset[int]] = {}
for _prefix, _lengths in _ISSUERS:
    _LENGTHS[_prefix] = _LENGTHS.get(_prefix, frozenset()) | frozenset(_lengths)



def pseudonym_key(home: Path) -> bytes:
    """The home's key for pseudonyms."""
    return home_key(home, "pseudonym.key")


def home_key(home: Path, name: str) -> bytes:
    """A secret of the home's own, made once; only the program's user may read it.

    Raises ConfigurationError for a file that holds none.
    """
    path = home / "keys" / name
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            "The key file {path} has {size} bytes, not {wanted}. Put it back from a copy of the home;"
            " without it, what was made with it cannot be told from a forgery.",
            path=f"keys/{name}", size=len(key), wanted=KEY_BYTES,
        )
    return key


def _make_key(path: Path) -> None:
    """Write a new key whole, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def pseudonym(key: bytes, scope: str, buyer_id: str) -> str:
    """A stable name for a buyer that does not give the id back; 80 bits of a keyed hash."""
    digest = hmac.digest(key, f"{scope}:{buyer_id}".encode(), "sha256")
    return "b" + digest[:10].hex()


def mask_cards(text: str) -> str:
    """`text` with every full card number reduced to its last four digits."""
    start = 0
    while found := _card(text, start):
        begin, end = found
        masked = _starred(text[begin:end], 4)
        text = text[:begin] + masked + text[end:]
        start = begin + masked.rindex("*") + 1
    return text


def _card(text: str, start: int) -> tuple[int, int] | None:
    """Where the first full card number from here on stands; other digits may stand before and after."""
    while found := _CARDS.search(text, start):
        groups = [group.end() for group in _GROUP.finditer(text, *found.span())]
        for end in dict.fromkeys((found.end(), groups[:4][-1])):
            if is_card(text[found.start() : end]):
                return found.start(), end
        start = found.start() + 1
    return None


def mask_personal(text: str) -> str:
    """`text` without full card numbers, phones and mail addresses; anything else is as it was."""
    if not _HINT.search(text):
        return text
    text = _MAILS.sub(lambda m: mask_logon(m.group()), mask_cards(text))
    return _PHONES.sub(lambda m: _starred(m.group(), 4, 8), text)


def mask_logon(logon: str) -> str:
    """A logon id (phone, mail address or name) as the channel shows it; a masked one stays."""
    if "*" in logon:
        return logon
    name, at, host = logon.partition("@")
    if at:
        return f"{name[:min(3, len(name) // 2)]}***@{host}"
    if len(name) >= 11:
        return f"{name[:-8]}****{name[-4:]}"
    return name[: len(name) // 3] + "***"


def mask_name(name: str) -> str:
    """A person's name: of a Chinese one the last character, of others the initials."""
    if "*" in name or not name.strip():
        return name
    if name.isascii():
        return " ".join(f"{part[0]}***" for part in name.split())
    return "*" * (len(name) - 1) + name[-1]


def can_be_an_order(text: str) -> bool:
    """False for what is a person's (a phone, a mail address, a card, a buyer's id) or no number."""
    return bool(_NUMBER.fullmatch(text)) and not _BUYER.fullmatch(text) and mask_personal(text) == text


def is_pseudonym(text: str) -> bool:
    """True for what can be our own name for a buyer."""
    return bool(_PSEUDONYM.fullmatch(text))


def without_persons(query: str) -> str:
    """An address's query without an `id` that may be a person's: kept is what has a digit and can be
    an order's number, or a buyer's pseudonym."""
    if "id=" not in query:
        return query
    kept = [
        (name, value) for name, value in parse_qsl(query, keep_blank_values=True)
        if name != "id" or is_pseudonym(value)
        or (can_be_an_order(value) and any(sign.isdigit() for sign in value))
    ]
    return urlencode(kept)


def holds_card(text: str) -> bool:
    """True if a full card number stands in the text."""
    return _card(text, 0) is not None


def is_card(number: str) -> bool:
    """True for digits (with signs between) that a payment card can bear."""
    digits = [int(sign) for sign in number if sign.isdigit()]
    start = "".join(map(str, digits[:4]))
    if not any(len(digits) in _LENGTHS.get(start[:size], ()) for size in (1, 2, 3, 4)):
        return False
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _starred(number: str, shown: int, upto: int = 19) -> str:
    """A number whose last digits are shown, and those before them up to `upto` are not."""
    signs, seen = list(number), 0
    for at in range(len(signs) - 1, -1, -1):
        if signs[at].isdigit():
            seen += 1
            if shown < seen <= upto:
                signs[at] = "*"
    return "".join(signs)

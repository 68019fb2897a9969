"""Failed sign-ins: counted by name and address, and where they lock the door for a while.

Tries at a name lock it for the address they came from. Many from everywhere delay it for all
addresses but those its person signed in from before, so that nobody can lock a person out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address

from sqlalchemy import Connection, delete, insert, select, update

from dashboard.identity.tables import FAILED_SIGN_INS, KNOWN_PLACES
from dashboard.operations.ledger import now

FREE_TRIES = 5
FIRST_LOCK, LONGEST_LOCK = timedelta(minutes=1), timedelta(hours=1)
NAME_TRIES, LONGEST_NAME_LOCK = 20, timedelta(minutes=5)
ADDRESS_TRIES, ADDRESS_LOCK = 50, timedelta(minutes=10)
_FORGOTTEN, _UNKNOWN_AGAIN = timedelta(days=1), timedelta(days=90)


def is_let_in(connection: Connection, who: str, address: str) -> bool:
    """False while the door is locked to them; otherwise the try is counted as failed.

    It is counted before the password is looked at, so that many tries at once are no way round.
    """
    at = now()
    connection.execute(delete(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.last_at < at - _FORGOTTEN))
    place, pair = _place(address), _pair(who, address)
    if _is_locked(connection, pair, at) or (place and _is_locked(connection, place, at)):
        return False
    if _is_locked(connection, who, at) and not _is_known(connection, who, address):
        return False
    _count_and_lock(connection, pair, at, FREE_TRIES, LONGEST_LOCK)
    _count_and_lock(connection, who, at, NAME_TRIES, LONGEST_NAME_LOCK)
    if place and _count(connection, place, at, ADDRESS_LOCK) >= ADDRESS_TRIES:
        _lock(connection, place, at + ADDRESS_LOCK)
    return True


def forgive(connection: Connection, who: str, address: str) -> None:
    """The try was good: here the name begins anew; the name elsewhere and the address have it back."""
    at, known = now(), KNOWN_PLACES
    connection.execute(
        delete(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.who == _pair(who, address))
    )
    connection.execute(
        update(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.who.in_((who, _place(address))))
        .values(count=FAILED_SIGN_INS.c.count - 1)
    )
    here = (known.c.account == who) & (known.c.place_hash == _hash(address))
    connection.execute(delete(known).where(here | (known.c.seen_at < at - _UNKNOWN_AGAIN)))
    connection.execute(insert(known).values(account=who, place_hash=_hash(address), seen_at=at))


def forget(connection: Connection, who: str) -> None:
    """An administrator forgives a name all its failures."""
    failed = FAILED_SIGN_INS.c.who
    connection.execute(
        delete(FAILED_SIGN_INS).where((failed == who) | failed.endswith(f" {who}", autoescape=True))
    )


def _place(address: str) -> str | None:
    """What an address is counted under; this machine is not, since a proxy may speak for all."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return None if found.is_loopback else f"address:{found}"


def _pair(who: str, address: str) -> str:
    """What a name is counted under at one address; no name has a space."""
    return f"{_hash(address)[:12]} {who}"


def _hash(address: str) -> str:
    return sha256((_place(address) or "").encode()).hexdigest()


def _is_known(connection: Connection, who: str, address: str) -> bool:
    """True if this person signed in from there before."""
    known = KNOWN_PLACES.c
    found = select(known.account).where(known.account == who, known.place_hash == _hash(address))
    return connection.execute(found).first() is not None


def _count_and_lock(
    connection: Connection, who: str, at: datetime, free: int, longest: timedelta
) -> None:
    count = _count(connection, who, at, _FORGOTTEN)
    if count >= free:
        _lock(connection, who, at + min(FIRST_LOCK * 2 ** min(count - free, 9), longest))


def _is_locked(connection: Connection, who: str, at: datetime) -> bool:
    until = connection.execute(
        select(FAILED_SIGN_INS.c.locked_until).where(FAILED_SIGN_INS.c.who == who)
    ).scalar()
    return until is not None and until > at


def _count(connection: Connection, who: str, at: datetime, window: timedelta) -> int:
    row = connection.execute(select(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.who == who)).first()
    if row is None:
        connection.execute(insert(FAILED_SIGN_INS).values(who=who, count=1, last_at=at))
        return 1
    count = int(row.count) + 1 if row.last_at > at - window else 1  # type: ignore[call-overload]
    connection.execute(
        update(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.who == who).values(count=count, last_at=at)
    )
    return count


def _lock(connection: Connection, who: str, until: datetime) -> None:
    connection.execute(
        update(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.who == who).values(locked_until=until)
    )

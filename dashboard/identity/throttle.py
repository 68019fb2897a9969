"""Failed sign-ins: counted by name and by address, and where they lock the door for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address

from sqlalchemy import Connection, delete, insert, select, update

from dashboard.identity.tables import FAILED_SIGN_INS
from dashboard.operations.ledger import now

FREE_TRIES = 5
FIRST_LOCK, LONGEST_LOCK = timedelta(minutes=1), timedelta(hours=1)
ADDRESS_TRIES, ADDRESS_LOCK = 50, timedelta(minutes=10)
_FORGOTTEN = timedelta(days=1)


def is_let_in(connection: Connection, who: str, address: str) -> bool:
    """False while the name or the address is locked; otherwise the try is counted as failed.

    It is counted before the password is looked at, so that many tries at once are no way round.
    """
    at = now()
    connection.execute(delete(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.last_at < at - _FORGOTTEN))
    place = _place(address)
    if _is_locked(connection, who, at) or (place and _is_locked(connection, place, at)):
        return False
    count = _count(connection, who, at, _FORGOTTEN)
    if count >= FREE_TRIES:
        _lock(connection, who, at + min(FIRST_LOCK * 2 ** min(count - FREE_TRIES, 9), LONGEST_LOCK))
    if place and _count(connection, place, at, ADDRESS_LOCK) >= ADDRESS_TRIES:
        _lock(connection, place, at + ADDRESS_LOCK)
    return True


def forgive(connection: Connection, who: str, address: str) -> None:
    """The try was good: the name begins anew, and the address has this one back."""
    connection.execute(delete(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.who == who))
    connection.execute(
        update(FAILED_SIGN_INS).where(FAILED_SIGN_INS.c.who == _place(address))
        .values(count=FAILED_SIGN_INS.c.count - 1)
    )


def _place(address: str) -> str | None:
    """What an address is counted under; this machine is not, since a proxy may speak for all."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return None if found.is_loopback else f"address:{found}"


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

"""One-time codes: the first administrator's, and one with which a person chooses a password."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Literal

from sqlalchemy import Connection, delete, insert, or_, select

from dashboard.identity.tables import ONE_TIME_CODES
from dashboard.operations.ledger import now

Purpose = Literal["setup", "password"]
VALID_FOR: dict[Purpose, timedelta] = {"setup": timedelta(hours=1), "password": timedelta(days=1)}
_BYTES, _GROUP = 15, 4


def make(connection: Connection, purpose: Purpose, account: str | None = None) -> str:
    """A new code; the ones made before for the same are void. Only its hash is kept."""
    drop(connection, purpose, account)
    code = base64.b32encode(secrets.token_bytes(_BYTES)).decode().lower()
    connection.execute(insert(ONE_TIME_CODES).values(
        code_hash=_hash(code), purpose=purpose, account=account,
        expires_at=now() + VALID_FOR[purpose],
    ))
    return "-".join(code[at:at + _GROUP] for at in range(0, len(code), _GROUP))


def held(connection: Connection, purpose: Purpose, code: str) -> tuple[bool, str | None]:
    """Whether the code is good, and whose it is."""
    found = connection.execute(select(ONE_TIME_CODES.c.account).where(
        ONE_TIME_CODES.c.code_hash == _hash(code), ONE_TIME_CODES.c.purpose == purpose,
        ONE_TIME_CODES.c.expires_at > now(),
    )).first()
    return found is not None, found.account if found else None


def drop(connection: Connection, purpose: Purpose, account: str | None) -> None:
    """Void the codes of one purpose and account, and those that expired."""
    is_same = (ONE_TIME_CODES.c.purpose == purpose) & ONE_TIME_CODES.c.account.is_not_distinct_from(
        account
    )
    connection.execute(delete(ONE_TIME_CODES).where(
        or_(is_same, ONE_TIME_CODES.c.expires_at <= now())
    ))


def _hash(code: str) -> str:
    plain = "".join(filter(str.isalnum, code)).lower()
    return sha256(plain.encode()).hexdigest()

"""Sessions: who is signed in. The browser holds a random token, the ledger only its hash."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, insert, select, update

from dashboard.identity.accounts import person_of
from dashboard.identity.rights import Person
from dashboard.identity.tables import SESSIONS
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from loaders.errors import Forbidden

_NOTED_EVERY = timedelta(seconds=60)


class Sessions:
    """The sessions of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        kept = ledger.settings.identity
        self._idle = timedelta(minutes=kept.idle_minutes)
        self._absolute = timedelta(hours=kept.session_hours)

    def begin(self, name: str, *, how: str = "password", replaces: str | None = None) -> str:
        """Sign a person in; returns the token. The browser's session before ends. Raises Forbidden."""
        token, at = secrets.token_urlsafe(32), now()
        with self._ledger.transaction() as connection:
            person = person_of(connection, name)
            connection.execute(delete(SESSIONS).where(
                (SESSIONS.c.begun_at < at - self._absolute)
                | (SESSIONS.c.token_hash == _hash(replaces or ""))
            ))
            connection.execute(insert(SESSIONS).values(
                token_hash=_hash(token), account=person.name, begun_at=at, seen_at=at
            ))
            audit.append(self._ledger, connection, person.name, "signed_in", person.name, how=how)
        return token

    def person(self, token: str | None, *, is_seen: bool = True) -> Person | None:
        """Who the token's session is of, with the role held now; None if it is over.

        `is_seen`: it is the person who asks, not a page that draws itself anew.
        """
        if not token:
            return None
        at, key = now(), _hash(token)
        with self._ledger.reading() as connection:
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.token_hash == key)).first()
            if row is None or at - row.seen_at > self._idle or at - row.begun_at > self._absolute:
                return None
            try:
                person = person_of(connection, row.account)
            except Forbidden:
                return None
        if is_seen and at - row.seen_at > min(_NOTED_EVERY, self._idle / 2):
            self._note(key, at)
        return person

    def end(self, token: str | None) -> None:
        """Sign out."""
        key = _hash(token or "")
        with self._ledger.transaction() as connection:
            row = connection.execute(
                delete(SESSIONS).where(SESSIONS.c.token_hash == key).returning(SESSIONS.c.account)
            ).first()
            if row:
                audit.append(self._ledger, connection, row.account, "signed_out", row.account)

    def end_all(self, name: str, *, keep: str | None = None) -> None:
        """Sign a person out everywhere; `keep` is the token of a session that stays."""
        with self._ledger.transaction() as connection:
            ended = connection.execute(delete(SESSIONS).where(
                SESSIONS.c.account == name, SESSIONS.c.token_hash != _hash(keep or "")
            )).rowcount
            audit.append(self._ledger, connection, name, "signed_out", name, sessions=ended)

    def _note(self, key: str, at: object) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(update(SESSIONS).where(SESSIONS.c.token_hash == key).values(seen_at=at))


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()

"""Messages to be sent: written down first, claimed by one sender, tried a bounded number of times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from dashboard.operations.ledger import Ledger, now
from dashboard.operations.tables import OUTBOX
from loaders.errors import MdashError
from loaders.settings import Settings

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
"""Pauses after failed tries; after the last try a message is given up."""
CLAIM = timedelta(minutes=10)
LIMIT = 100
Target = Literal["webhook", "mail"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way. `delivery` stays the same over all tries."""

    id: int
    key: str
    target: Target
    recipient: str
    message: Mapping[str, Any]
    attempt: int

    @property
    def delivery(self) -> str:
        """A name by which receivers recognise a repeated message."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]


Send = Callable[[Envelope], None]


def targets(settings: Settings) -> list[tuple[Target, str]]:
    """Where the shop's alerts go."""
    found: list[tuple[Target, str]] = [("mail", item) for item in settings.alerts.mail_to]
    if settings.alerts.webhook_url:
        found.append(("webhook", ""))
    return found


def put(
    connection: Connection, key: str, target: Target, recipient: str, message: Mapping[str, Any]
) -> None:
    """Write a message down; one of the same key is there already and stays as it is."""
    full = f"{key}:{target}:{hashlib.sha256(recipient.encode()).hexdigest()[:16]}"
    if connection.execute(select(OUTBOX.c.id).where(OUTBOX.c.key == full)).first() is None:
        connection.execute(
            insert(OUTBOX).values(
                key=full, target=target, recipient=recipient, message=dict(message),
                state="waiting", attempts=0, due_at=now(), created_at=now(),
            )
        )


def deliver(
    ledger: Ledger, send: Send, is_stopping: Callable[[], bool] = lambda: False,
    at: datetime | None = None,
) -> int:
    """Send what waits, each message claimed before; returns how many were sent.

    A claim whose sender died is not taken up again: whether it was sent cannot be known, and
    nothing is sent twice. Such messages stay to be seen as `interrupted`.
    """
    sent = 0
    for _ in range(LIMIT):
        if is_stopping():
            break
        envelope = _claim(ledger, at or now())
        if envelope is None:
            break
        try:
            send(envelope)
        except MdashError as error:
            _failed(ledger, envelope, str(error), at or now())
        except Exception as error:
            _failed(ledger, envelope, type(error).__name__, at or now())
            raise
        else:
            _set(ledger, envelope.id, state="sent", sent_at=now(), why=None)
            sent += 1
    return sent


def counts(ledger: Ledger) -> dict[str, int]:
    """How many messages are in which state: waiting, sending, sent, failed, interrupted."""
    with ledger.reading() as connection:
        rows = connection.execute(select(OUTBOX.c.state, func.count()).group_by(OUTBOX.c.state))
        return {row[0]: row[1] for row in rows}


def _claim(ledger: Ledger, at: datetime) -> Envelope | None:
    with ledger.transaction() as connection:
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.state == "sending", OUTBOX.c.claimed_at < at - CLAIM)
            .values(state="interrupted")
        )
        row = connection.execute(
            select(OUTBOX)
            .where(OUTBOX.c.state == "waiting", OUTBOX.c.due_at <= at)
            .order_by(OUTBOX.c.due_at, OUTBOX.c.id)
            .limit(1)
        ).first()
        if row is None:
            return None
        attempt = row.attempts + 1
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.id == row.id)
            .values(state="sending", claimed_at=at, attempts=attempt)
        )
    return Envelope(row.id, row.key, row.target, row.recipient, row.message, attempt)


def _failed(ledger: Ledger, envelope: Envelope, why: str, at: datetime) -> None:
    if envelope.attempt > len(PAUSES):
        _set(ledger, envelope.id, state="failed", why=why)
    else:
        due_at = at + PAUSES[envelope.attempt - 1]
        _set(ledger, envelope.id, state="waiting", due_at=due_at, why=why)


def _set(ledger: Ledger, message_id: int, **values: object) -> None:
    with ledger.transaction() as connection:
        connection.execute(update(OUTBOX).where(OUTBOX.c.id == message_id).values(values))

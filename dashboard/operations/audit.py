"""The trail: what people and the program did, as a chain of hashes that shows any alteration.

Each row carries the hash of the row before it; a row's seal, and that of the newest row, are made
with a key that stands in a file beside the ledger, so that whoever can write to the database alone
cannot make a chain that verifies. A mark beside the key tells how far the trail came, so that it
cannot be emptied or put back to an earlier state either.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from dashboard.operations import trail_mark
from dashboard.operations.ledger import Ledger, after_commit, now
from dashboard.operations.tables import AUDIT_TRAIL, TRAIL_HEAD
from dashboard.operations.trail_mark import Mark, key_of

BEGINNING = "0" * 64
_HEAD, _BEGIN = 1, 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the trail holds. `first_bad` is the `seq` at, or next to, the first trouble."""

    entries: int
    first_bad: int | None
    why: str | None

    @property
    def ok(self) -> bool:
        """True if nothing was altered, lost or moved."""
        return self.first_bad is None


def append(
    ledger: Ledger, connection: Connection, actor: str, action: str, subject: str = "",
    **detail: Any,
) -> int:
    """Add a row within a transaction of the ledger; it stands if the transaction does.

    `detail` holds no secret and nothing of a person but pseudonyms and masked texts.
    """
    head = _mark(connection, _HEAD)
    seq = int(head["seq"]) + 1 if head else 1
    row: dict[str, Any] = {
        "seq": seq, "at": now(), "actor": actor, "action": action,
        "subject": subject[:200],
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str),
        "previous": head["hash"] if head else BEGINNING,
    }
    home = ledger.settings.home
    key = key_of(home)
    row["hash"] = digest(row)
    row["seal"] = _seal(key, "row", row["hash"])
    connection.execute(insert(AUDIT_TRAIL).values(row))
    fresh = {"seq": row["seq"], "hash": row["hash"], "seal": _seal(key, "head", row["hash"])}
    change = update(TRAIL_HEAD).where(TRAIL_HEAD.c.id == _HEAD) if head else (
        insert(TRAIL_HEAD).values(id=_HEAD)
    )
    connection.execute(change.values(fresh))
    if _reaches(connection, trail_mark.held(home, key), row["previous"]) is None:
        mark = Mark(seq, row["hash"])
        after_commit(connection, "mark", lambda: trail_mark.raise_to(home, key, mark))
    return seq


def record(ledger: Ledger, actor: str, action: str, subject: str = "", **detail: Any) -> int:
    """Add a row in a transaction of its own."""
    with ledger.transaction() as connection:
        return append(ledger, connection, actor, action, subject, **detail)


def digest(row: RowMapping | dict[str, Any]) -> str:
    """A row's hash: SHA-256 over the JSON list of what it says and the hash before it."""
    at = row["at"].isoformat(timespec="microseconds") if isinstance(row["at"], datetime) else row["at"]
    said = [row["seq"], at, row["actor"], row["action"], row["subject"], row["detail"], row["previous"]]
    return sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


def trim(ledger: Ledger, before: datetime) -> int:
    """Remove entries from before an instant (naive UTC), sealing where the trail begins now.

    Returns how many. The newest entry always stays, and that it was done is an entry of its own.
    """
    key = key_of(ledger.settings.home)
    with ledger.transaction() as connection:
        head, begin = _mark(connection, _HEAD), _mark(connection, _BEGIN)
        old = (AUDIT_TRAIL.c.at < before) & (AUDIT_TRAIL.c.seq < (head["seq"] if head else 0))
        last = connection.execute(
            select(AUDIT_TRAIL).where(old).order_by(AUDIT_TRAIL.c.seq.desc()).limit(1)
        ).mappings().first()
        if last is None:
            return 0
        seal = _seal(key, "begin", f"{last['seq']}:{last['hash']}")
        fresh = {"seq": last["seq"], "hash": last["hash"], "seal": seal}
        change = insert(TRAIL_HEAD).values(id=_BEGIN) if begin is None else (
            update(TRAIL_HEAD).where(TRAIL_HEAD.c.id == _BEGIN)
        )
        connection.execute(change.values(fresh))
        gone = connection.execute(delete(AUDIT_TRAIL).where(AUDIT_TRAIL.c.seq <= last["seq"]))
        append(ledger, connection, "system", "erased", "trail", upto=last["seq"])
        return int(gone.rowcount)


def _mark(connection: Connection, number: int) -> RowMapping | None:
    return connection.execute(
        select(TRAIL_HEAD).where(TRAIL_HEAD.c.id == number)
    ).mappings().first()


def entries(connection: Connection) -> Iterator[RowMapping]:
    """All rows in order, a piece at a time."""
    found = connection.execution_options(yield_per=1_000).execute(
        select(AUDIT_TRAIL).order_by(AUDIT_TRAIL.c.seq)
    )
    yield from found.mappings()


def verify(ledger: Ledger) -> Verdict:
    """Walk the whole trail."""
    home = ledger.settings.home
    key = key_of(home) if trail_mark.has_key(home) else b""
    mark = trail_mark.held(home, key)
    with ledger.reading() as connection:
        found = _walked(connection, key)
        lost = _reaches(connection, mark)
    if not found.ok:
        return found
    if lost is not None:
        return Verdict(found.entries, lost[0], lost[1])
    if key and mark is None and found.entries == 0:
        return Verdict(0, 1, TROUBLES[4])
    return found


def _reaches(
    connection: Connection, mark: Mark | None, newest: str | None = None
) -> tuple[int, str] | None:
    """Where and why the trail is not the one that the mark was set in; None if it is.

    `newest`: the hash of the newest entry, which spares a look where it is the mark's.
    """
    if mark is None or (mark.is_ours and (mark.seq == 0 or mark.hash == newest)):
        return None
    if not mark.is_ours:
        return mark.seq, TROUBLES[6]
    begin = _mark(connection, _BEGIN)
    if begin and begin["seq"] > mark.seq:
        return None
    found = connection.execute(
        select(AUDIT_TRAIL.c.hash).where(AUDIT_TRAIL.c.seq == mark.seq)
    ).scalar() or (begin["hash"] if begin and begin["seq"] == mark.seq else None)
    if found == mark.hash:
        return None
    if found is not None:
        return mark.seq, TROUBLES[7]
    last = connection.execute(select(func.max(AUDIT_TRAIL.c.seq))).scalar()
    return (last or (begin["seq"] if begin else 0)) + 1, TROUBLES[4]


def _walked(connection: Connection, key: bytes) -> Verdict:
    begin = _mark(connection, _BEGIN)
    count, previous = (begin["seq"], begin["hash"]) if begin else (0, BEGINNING)
    if begin and not hmac.compare_digest(begin["seal"], _seal(key, "begin", f"{count}:{previous}")):
        return Verdict(0, count, TROUBLES[3])
    skipped = count
    for row in entries(connection):
        trouble = _trouble(row, count + 1, previous, key)
        if trouble:
            return Verdict(count - skipped, min(int(row["seq"]), count + 1), trouble)
        count, previous = count + 1, row["hash"]
    head = _mark(connection, _HEAD)
    if head is None and count == 0:
        return Verdict(0, None, None)
    if head is None or head["seq"] != count or head["hash"] != previous:
        return Verdict(count - skipped, count + 1, TROUBLES[4])
    if not hmac.compare_digest(head["seal"], _seal(key, "head", head["hash"])):
        return Verdict(count - skipped, count, TROUBLES[5])
    return Verdict(count - skipped, None, None)


def is_ours(ledger: Ledger) -> bool:
    """True unless the oldest or the newest entry was sealed with a key that is not this home's."""
    key = key_of(ledger.settings.home)
    with ledger.reading() as connection:
        first = connection.execute(
            select(AUDIT_TRAIL).order_by(AUDIT_TRAIL.c.seq).limit(1)
        ).mappings().first()
        head = _mark(connection, _HEAD)
    return all(
        row is None or hmac.compare_digest(row["seal"], _seal(key, purpose, row["hash"]))
        for purpose, row in (("row", first), ("head", head))
    )


TROUBLES = (
    "An entry is missing or was moved.",
    "An entry does not follow the one before it.",
    "An entry was altered.",
    "The seal of an entry is not ours.",
    "The newest entries are missing.",
    "The seal of the newest entry is not ours.",
    "The mark of how far the trail came (keys/trail.mark) is not ours.",
    "The trail is not the one that stood here before.",
)
"""All that can be wrong with a trail."""


def _trouble(row: RowMapping, expected: int, previous: str, key: bytes) -> str | None:
    if row["seq"] != expected:
        return TROUBLES[0]
    if row["previous"] != previous:
        return TROUBLES[1]
    if digest(row) != row["hash"]:
        return TROUBLES[2]
    if not hmac.compare_digest(row["seal"], _seal(key, "row", row["hash"])):
        return TROUBLES[3]
    return None


def _seal(key: bytes, purpose: str, text: str) -> str:
    return hmac.digest(key, f"{purpose}:{text}".encode(), "sha256").hex()

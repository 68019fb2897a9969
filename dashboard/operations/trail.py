"""The trail for people: read it by person, action, subject and days, verify it, take it away."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, RowMapping, select

from dashboard.identity.rights import LOCAL, Person, Right
from dashboard.operations import audit
from dashboard.operations.deeds import settle_or_wait
from dashboard.operations.ledger import Ledger
from dashboard.operations.tables import AUDIT_TRAIL
from dashboard.wording import Say
from loaders.errors import Forbidden
from loaders.privacy import home_key

_C = AUDIT_TRAIL.c
COLUMNS = ("seq", "at", "actor", "action", "subject", "detail", "previous", "hash", "seal")


ACTIONS = {
    "trade_read": "opened a trade",
    "trade_queried": "asked the channel",
    "refund_requested": "asked for a refund",
    "refund_approved": "approved a refund",
    "refund_declined": "declined a refund",
    "refund_withdrawn": "withdrew a refund",
    "refund_submitted": "sent a refund",
    "refund_done": "refund done",
    "refund_refused": "refund refused",
    "refund_unknown": "refund unknown",
    "refund_resolved": "refund resolved",
    "payment_cancelled": "cancelled a payment",
    "unmasked": "unmasked",
    "erased": "erased",
    "exported": "exported",
    "loaded": "loaded files",
    "undone": "took a load back",
    "signed_in": "signed in",
    "sign_in_failed": "sign-in failed",
    "signed_out": "signed out",
    "account_added": "added an account",
    "account_changed": "changed an account",
    "account_disabled": "disabled an account",
    "role_changed": "changed a role",
    "alert_changed": "changed an alert",
    "report_changed": "changed a report by mail",
    "report_skipped": "did not send a report",
    "item_assigned": "gave an item to somebody",
    "item_explained": "explained an item",
    "item_write_off_proposed": "proposed a write-off",
    "item_written_off": "wrote an item off",
    "item_write_off_declined": "declined a write-off",
    "item_reopened": "opened an item again",
    "refused": "was refused",
}
"""What each action of the trail is called."""


class Trail:
    """The trail of one ledger, as one person may see it."""

    def __init__(self, ledger: Ledger, person: Person, say: Say) -> None:
        self._ledger, self._person, self._say = ledger, person, say

    def verify(self) -> dict[str, Any]:
        """Whether the trail holds, and where it does not."""
        settle_or_wait(self._ledger)
        found = audit.verify(self._ledger)
        message = None
        if found.why is not None:
            message = self._say(
                "The trail does not hold at entry {number}: {why}",
                number=found.first_bad, why=self._say(found.why),
            )
        return {
            "ok": found.ok, "entries": found.entries, "first_bad": found.first_bad,
            "message": message,
        }

    def read(
        self, *, person: str | None = None, action: str | None = None, subject: str | None = None,
        first_day: date | None = None, last_day: date | None = None, limit: int = 500,
    ) -> list[dict[str, Any]]:
        """The latest entries that meet every wish, newest first. Raises Forbidden."""
        self._person.demand("administer")
        settle_or_wait(self._ledger)
        wishes = self._wishes(person, action, subject, first_day, last_day)
        query = select(AUDIT_TRAIL).where(*wishes).order_by(_C.seq.desc()).limit(limit)
        with self._ledger.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def choices(self) -> tuple[list[str], list[str]]:
        """The people and the actions that the trail names. Raises Forbidden."""
        self._person.demand("administer")
        with self._ledger.reading() as connection:
            people, actions = (
                list(connection.execute(select(column).distinct().order_by(column)).scalars())
                for column in (_C.actor, _C.action)
            )
        return people, actions

    def lines(
        self, *, person: str | None = None, action: str | None = None, subject: str | None = None,
        first_day: date | None = None, last_day: date | None = None,
    ) -> Iterator[str]:
        """Entries as JSON texts, oldest first; that they were taken is an entry of its own.

        Who works at the machine itself may take them, for its files are theirs. Raises Forbidden.
        """
        if self._person is not LOCAL:
            self._person.demand("administer")
        wishes = self._wishes(person, action, subject, first_day, last_day)
        asked = {"person": person, "action": action, "from": first_day, "to": last_day}
        told = {name: value for name, value in asked.items() if value is not None}
        settle_or_wait(self._ledger)
        audit.record(self._ledger, self._person.name, "exported", "trail", **told)
        query = select(AUDIT_TRAIL).where(*wishes).order_by(_C.seq)
        with self._ledger.reading() as connection:
            rows = connection.execution_options(yield_per=1_000).execute(query)
            yield from (line(row) for row in rows.mappings())

    def _wishes(
        self, person: str | None, action: str | None, subject: str | None, first_day: date | None,
        last_day: date | None,
    ) -> list[ColumnElement[bool]]:
        wishes = [_C.actor == person] if person else []
        wishes += [_C.action == action] if action else []
        wishes += [_C.subject.contains(subject, autoescape=True)] if subject else []
        wishes += [_C.at >= self._begin(first_day)] if first_day else []
        return wishes + ([_C.at < self._begin(last_day + timedelta(1))] if last_day else [])

    def _begin(self, day: date) -> datetime:
        """The instant at which a day of the shop begins."""
        zone = ZoneInfo(self._ledger.settings.shop.timezone)
        return datetime.combine(day, time(), zone).astimezone(UTC).replace(tzinfo=None)


def demand(
    ledger: Ledger, person: Person, right: Right, subject: str = "", store: str | None = None, *,
    any_store: bool = True,
) -> None:
    """Raise Forbidden unless the person has the right; that it was tried goes into the trail."""
    try:
        person.demand(right, store, any_store=any_store)
    except Forbidden:
        audit.record(ledger, person.name, "refused", subject, right=right)
        raise


def typed(ledger: Ledger, text: str) -> str:
    """What somebody typed that is no number of ours, as the trail may keep it: it may be a person's.

    The same text is the same subject, and does not give the text back.
    """
    key = home_key(ledger.settings.home, "pseudonym.key")
    return f"unknown id {hmac.digest(key, f'typed:{text}'.encode(), 'sha256')[:8].hex()}"


def line(row: RowMapping | dict[str, Any]) -> str:
    """An entry as the JSON text that an auditor gets; `at` is as it was hashed, in UTC."""
    told = {name: row[name] for name in COLUMNS}
    return json.dumps(
        told | {"at": row["at"].isoformat(timespec="microseconds")}, ensure_ascii=False
    )

"""Who may decide on a refund that waits for a second person, and whether it may still be made."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from dashboard.identity.accounts import person_of
from dashboard.identity.rights import Person
from dashboard.operations import policy
from dashboard.operations.ledger import now
from dashboard.operations.refund_records import Refund
from dashboard.operations.tables import AUDIT_TRAIL
from loaders.errors import Forbidden, RefusedInput
from loaders.settings import Refunding

TIED = timedelta(days=30)
"""So long whoever made or changed an account may know how to sign in to it."""
_HANDLED = ("account_added", "account_changed")


def check_approver(person: Person, refund: Refund) -> None:
    """Raises Forbidden unless this person may decide on this refund."""
    person.demand("approve", refund.store, any_store=False)
    if person.name == refund.requested_by:
        raise Forbidden("Who asked for a refund cannot approve it.")
    limit = person.role.approve_limit_fen
    if limit is not None and refund.amount_fen > limit:
        raise Forbidden(
            "{name} may approve refunds of up to {most} yuan.", name=person.name,
            most=policy.yuan(limit),
        )


def check_request(connection: Connection, rules: Refunding, refund: Refund) -> None:
    """Raises RefusedInput unless the request would be taken today: its amount, and who asked."""
    policy.check_single(rules, refund.amount_fen)
    try:
        asked = person_of(connection, refund.requested_by)
        asked.demand("refund", refund.store, any_store=False)
    except Forbidden as error:
        raise RefusedInput(
            "{name}, who asked for this refund, may not ask for it any more. Decline it.",
            name=refund.requested_by,
        ) from error


def tie(connection: Connection, person: Person, refund: Refund, at: datetime) -> int | None:
    """The trail's entry by which who asked made, or got into, the approver's account of late."""
    return handled(connection, refund.requested_by, person.name, at)


def handled(connection: Connection, asker: str, approver: str, at: datetime) -> int | None:
    """The trail's entry by which one person made or changed another's account of late."""
    found = connection.execute(
        select(AUDIT_TRAIL.c.seq).where(
            AUDIT_TRAIL.c.actor == asker, AUDIT_TRAIL.c.subject == approver,
            AUDIT_TRAIL.c.action.in_(_HANDLED), AUDIT_TRAIL.c.at >= at - TIED,
        ).order_by(AUDIT_TRAIL.c.seq.desc()).limit(1)
    ).scalar()
    return None if found is None else int(found)


def check_tie(connection: Connection, person: Person, refund: Refund, at: datetime) -> None:
    """Raises Forbidden for an account that who asked may know how to sign in to."""
    if tie(connection, person, refund, at) is not None:
        raise Forbidden(
            "{asker}, who asked for this refund, made or changed the account {name} less than {days}"
            " days ago. Somebody else must approve it.",
            asker=refund.requested_by, name=person.name, days=TIED.days,
        )


def why_not(
    connection: Connection, rules: Refunding, person: Person, refund: Refund
) -> RefusedInput | None:
    """Why this person may not approve this refund, before anything is clicked."""
    try:
        check_approver(person, refund)
        check_request(connection, rules, refund)
        check_tie(connection, person, refund, now())
    except RefusedInput as error:
        return error
    return None

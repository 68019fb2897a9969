"""The house's own sign-in service (OpenID Connect): whose account its person has here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select, update
from starlette.requests import Request
from starlette.responses import Response

from dashboard.identity.tables import ACCOUNTS
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from loaders.errors import Forbidden

BEGIN, DONE = "/oidc", "/oidc/done"
_FRESH = timedelta(minutes=10)


class Service(Protocol):
    """A sign-in service, as the desk uses it."""

    label: str

    def begin(self, request: Request) -> Response:
        """Send the browser to the service."""

    def claims(self, request: Request) -> Mapping[str, Any] | None:
        """What the service said of the person who came back; None if nobody did."""

    def forget(self, request: Request, response: Response) -> None:
        """Take back what the browser keeps of it."""


def account_of(ledger: Ledger, claims: Mapping[str, Any] | None) -> str:
    """The account of whom the service named just now: by subject, the first time by verified mail.

    Raises Forbidden.
    """
    name = _found(ledger, claims) if claims and _is_fresh(claims) else None
    if name is None:
        audit.record(ledger, "?", "sign_in_failed", "?", how="service")
        raise Forbidden(
            "The sign-in service knows you, but nobody gave you an account here. Ask an administrator"
            " to enter your mail address."
        )
    return name


def _found(ledger: Ledger, claims: Mapping[str, Any]) -> str | None:
    subject = f"{claims.get('iss', '')}|{claims['sub']}"[:400] if claims.get("sub") else None
    if subject is None:
        return None
    with ledger.transaction() as connection:
        known = connection.execute(
            select(ACCOUNTS.c.name).where(ACCOUNTS.c.subject == subject, ACCOUNTS.c.is_active)
        ).scalar()
        if known is None and claims.get("email_verified") is True:
            known = connection.execute(
                update(ACCOUNTS)
                .where(
                    ACCOUNTS.c.email == str(claims.get("email", "")).casefold(),
                    ACCOUNTS.c.subject.is_(None), ACCOUNTS.c.is_active,
                )
                .values(subject=subject).returning(ACCOUNTS.c.name)
            ).scalar()
            if known:
                audit.append(ledger, connection, known, "account_changed", known,
                             what="known to the sign-in service")
        if known:
            connection.execute(
                update(ACCOUNTS).where(ACCOUNTS.c.name == known).values(signed_in_at=now())
            )
    return str(known) if known else None


def _is_fresh(claims: Mapping[str, Any]) -> bool:
    """True if the service said it just now: what a browser kept for a month signs nobody in."""
    try:
        said = datetime.fromtimestamp(float(claims["iat"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return abs(datetime.now(UTC) - said) <= _FRESH

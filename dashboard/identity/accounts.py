"""Accounts and roles: who may act in this home, and what an administrator may change."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from dashboard.identity import codes, passwords, throttle
from dashboard.identity.rights import LOCAL, NOBODY, ROLES, SYSTEM, Person, Role, rights_of
from dashboard.identity.tables import ACCOUNTS, FAILED_SIGN_INS, OWN_ROLES, SESSIONS
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.tables import NOTES, REPORT_SCHEDULES, SAVED_VIEWS
from loaders.errors import Forbidden, RefusedInput

MAX_NAME, MAX_ACCOUNTS, MAX_ROLES = 64, 1_000, 100
_NAME = re.compile(r"\w[\w.@+-]*")
_RESERVED = {LOCAL.name, NOBODY.name, SYSTEM.name}
_MAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,180}")


@dataclass(frozen=True, slots=True)
class Account:
    """An account as an administrator sees it."""

    name: str
    role: str
    is_active: bool
    is_demo: bool
    has_password: bool
    has_totp: bool
    email: str | None
    created_at: datetime
    signed_in_at: datetime | None
    locked_until: datetime | None

    @property
    def is_locked(self) -> bool:
        """True while failed tries keep out everybody at an address that is new to it."""
        return self.locked_until is not None and self.locked_until > now()


class Accounts:
    """The accounts of one ledger. Every change stands in the trail by the same transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def is_empty(self) -> bool:
        """True while nobody has an account."""
        with self._ledger.reading() as connection:
            return is_empty(connection)

    def person(self, name: str) -> Person:
        """Who has this account, with the role held now. Raises Forbidden."""
        with self._ledger.reading() as connection:
            return person_of(connection, name)

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(ACCOUNTS, FAILED_SIGN_INS.c.locked_until)
                .join(FAILED_SIGN_INS, FAILED_SIGN_INS.c.who == ACCOUNTS.c.name, isouter=True)
                .order_by(ACCOUNTS.c.name)
            ).mappings().all()
        return [_account(row) for row in rows]

    def roles(self) -> list[Role]:
        """The roles every home has, then the home's own."""
        with self._ledger.reading() as connection:
            rows = connection.execute(select(OWN_ROLES).order_by(OWN_ROLES.c.name)).mappings()
            return [*ROLES.values(), *map(_own_role, rows)]

    def add(
        self, actor: Person | None, name: str, role: str, password: str | None = None
    ) -> Account:
        """Add an account; the first is an administrator's and needs nobody's leave.

        Without a password it is used once its person has chosen one by a code of `reset`.
        Raises Forbidden, RefusedInput.
        """
        wanted = account_name(name)
        kept = None if password is None else passwords.hashed(passwords.check(password, wanted))
        if actor is None:
            with self._ledger.transaction() as connection:
                _first(connection, role)
                self._insert(connection, LOCAL.name, wanted, role, kept)
                _hand_over(connection, wanted)
        else:
            with self._acting(actor, wanted) as (connection, acting):
                _may_give(acting, _role(connection, role))
                self._insert(connection, acting.name, wanted, role, kept)
        return next(item for item in self.accounts() if item.name == wanted)

    def set_role(self, actor: Person, name: str, role: str) -> None:
        """Give an account another role. Raises Forbidden, RefusedInput."""
        with self._acting(actor, name) as (connection, acting):
            row = _reached(connection, acting, name)
            _may_give(acting, _role(connection, role))
            _change(connection, row["name"], role=role)
            _keep_an_administrator(connection)
            self._tell(connection, acting, "role_changed", row["name"], role=role, was=row["role"])

    def disable(self, actor: Person, name: str) -> None:
        """Close an account and end its sessions. Raises Forbidden, RefusedInput."""
        with self._acting(actor, name) as (connection, acting):
            row = _reached(connection, acting, name)
            _change(connection, row["name"], is_active=False)
            _keep_an_administrator(connection)
            connection.execute(delete(SESSIONS).where(SESSIONS.c.account == row["name"]))
            codes.drop(connection, "password", row["name"])
            self._tell(connection, acting, "account_disabled", row["name"])

    def enable(self, actor: Person, name: str) -> None:
        """Open a closed account again. Raises Forbidden, RefusedInput."""
        with self._acting(actor, name) as (connection, acting):
            row = _reached(connection, acting, name)
            _change(connection, row["name"], is_active=True)
            self._tell(connection, acting, "account_changed", row["name"], what="enabled")

    def reset(self, actor: Person, name: str, *, drops_totp: bool = False) -> str:
        """A code with which the person chooses a new password; failed sign-ins are forgiven.

        The old password is void at once, and the account's sessions end.
        Raises Forbidden, RefusedInput.
        """
        with self._acting(actor, name) as (connection, acting):
            row = _reached(connection, acting, name)
            if not row["is_active"]:
                raise RefusedInput("The account {name} is disabled.", name=row["name"])
            _change(connection, row["name"], password=None)
            connection.execute(delete(SESSIONS).where(SESSIONS.c.account == row["name"]))
            if drops_totp:
                _change(connection, row["name"], totp=None, totp_offered=None)
            throttle.forget(connection, row["name"])
            self._tell(connection, acting, "account_changed", row["name"],
                       what="password reset", drops_totp=drops_totp)
            return codes.make(connection, "password", row["name"])

    def set_email(self, actor: Person, name: str, email: str) -> None:
        """The address by which a sign-in service knows the person. Raises Forbidden, RefusedInput."""
        wanted = email.strip().casefold() or None
        if wanted and not _MAIL.fullmatch(wanted):
            raise RefusedInput("{address} is not a mail address.", address=repr(email[:80]))
        with self._acting(actor, name) as (connection, acting):
            row = _reached(connection, acting, name)
            taken = select(ACCOUNTS.c.name).where(
                ACCOUNTS.c.email == wanted, ACCOUNTS.c.name != row["name"]
            )
            if wanted and connection.execute(taken).first():
                raise RefusedInput("Another account has this mail address.")
            _change(connection, row["name"], email=wanted, subject=None)
            self._tell(connection, acting, "account_changed", row["name"], what="mail address")

    def save_role(self, actor: Person, role: Role) -> None:
        """Make or change a role of the home's own. Raises Forbidden, RefusedInput."""
        wanted = _checked(role)
        with self._acting(actor, wanted.name) as (connection, acting):
            held = _own(connection, wanted.name)
            for one in filter(None, (held, wanted)):
                _may_give(acting, one)
            if held is None and _count(connection, OWN_ROLES) >= MAX_ROLES:
                raise RefusedInput("There are {count} roles already.", count=MAX_ROLES)
            values = _kept(wanted)
            connection.execute(delete(OWN_ROLES).where(OWN_ROLES.c.name == wanted.name))
            connection.execute(insert(OWN_ROLES).values(name=wanted.name, changed_at=now(), **values))
            _keep_an_administrator(connection)
            self._tell(connection, acting, "role_changed", wanted.name, kind="role", **values)

    def remove_role(self, actor: Person, name: str) -> None:
        """Delete a role that nobody has. Raises Forbidden, RefusedInput."""
        with self._acting(actor, name) as (connection, acting):
            held = _own(connection, name)
            if held is None:
                raise RefusedInput("There is no role {name} of your own.", name=name)
            _may_give(acting, held)
            if connection.execute(select(ACCOUNTS.c.name).where(ACCOUNTS.c.role == name)).first():
                raise RefusedInput("The role {name} is in use.", name=name)
            connection.execute(delete(OWN_ROLES).where(OWN_ROLES.c.name == name))
            self._tell(connection, acting, "role_changed", name, kind="role", removed=True)

    @contextmanager
    def _acting(self, actor: Person, subject: str) -> Iterator[tuple[Connection, Person]]:
        """A transaction of an administrator, whose rights are those of this moment."""
        try:
            with self._ledger.transaction() as connection:
                acting = person_of(connection, actor.name)
                acting.demand("administer")
                yield connection, acting
        except Forbidden as error:
            audit.record(
                self._ledger, actor.name[:MAX_NAME], "refused", subject, why=error.template
            )
            raise

    def _insert(
        self, connection: Connection, actor: str, name: str, role: str, kept: str | None
    ) -> None:
        if connection.execute(select(ACCOUNTS.c.name).where(ACCOUNTS.c.name == name)).first():
            raise RefusedInput("There is an account {name} already.", name=name)
        if _count(connection) >= MAX_ACCOUNTS:
            raise RefusedInput("There are {count} accounts already.", count=MAX_ACCOUNTS)
        connection.execute(insert(ACCOUNTS).values(
            name=name, role=role, password=kept, is_active=True, is_demo=False, created_at=now()
        ))
        audit.append(self._ledger, connection, actor, "account_added", name, role=role)

    def _tell(
        self, connection: Connection, acting: Person, action: str, subject: str, **detail: Any
    ) -> None:
        audit.append(self._ledger, connection, acting.name, action, subject, **detail)


def account_name(name: str) -> str:
    """A name as it is kept: one spelling for all that look the same. Raises RefusedInput."""
    text = folded(name)
    if not _NAME.fullmatch(text) or len(text) > MAX_NAME:
        raise RefusedInput(
            "A name has 1 to {count} letters, digits and . @ + - _, and no spaces.", count=MAX_NAME
        )
    if text in _RESERVED:
        raise RefusedInput("The name {name} is the program's own.", name=text)
    return text


def is_empty(connection: Connection) -> bool:
    """True while nobody has an account."""
    return not _count(connection)


def folded(name: str) -> str:
    """A name in the one spelling of all that look the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.strip()).casefold())


def person_of(connection: Connection, name: str) -> Person:
    """Who has an account, with the role held now. Raises Forbidden."""
    row = connection.execute(
        select(ACCOUNTS).where(ACCOUNTS.c.name == folded(name), ACCOUNTS.c.is_active)
    ).mappings().first()
    if row is None:
        raise Forbidden("There is no active account {name}.", name=name[:MAX_NAME])
    return Person(row["name"], _held_role(connection, row["role"]))


def _held_role(connection: Connection, name: str) -> Role:
    return ROLES.get(name) or _own(connection, name) or Role(name, frozenset())


def _role(connection: Connection, name: str) -> Role:
    found = ROLES.get(name) or _own(connection, name)
    if found is None:
        raise RefusedInput("There is no role {name}.", name=name[:MAX_NAME])
    return found


def _own(connection: Connection, name: str) -> Role | None:
    row = connection.execute(select(OWN_ROLES).where(OWN_ROLES.c.name == name)).mappings().first()
    return _own_role(row) if row else None


def _own_role(row: RowMapping) -> Role:
    stores = row["stores"]
    return Role(
        row["name"], rights_of(row["rights"]), row["refund_limit_fen"], row["approve_limit_fen"],
        None if stores is None else frozenset(stores),
    )


def _kept(role: Role) -> dict[str, Any]:
    return {
        "rights": sorted(role.rights), "refund_limit_fen": role.refund_limit_fen,
        "approve_limit_fen": role.approve_limit_fen,
        "stores": None if role.stores is None else sorted(role.stores),
    }


def _checked(role: Role) -> Role:
    name = account_name(role.name)
    if name in ROLES:
        raise RefusedInput("The role {name} is built in and stays as it is.", name=name)
    if "see" not in role.rights:
        raise RefusedInput("A role without the right to see is of no use.")
    limits = (role.refund_limit_fen, role.approve_limit_fen)
    if any(limit is not None and limit < 0 for limit in limits):
        raise RefusedInput("A limit is not below zero.")
    return Role(name, rights_of(role.rights), *limits, role.stores)


def _may_give(acting: Person, role: Role) -> None:
    if not acting.role.covers(role):
        raise Forbidden(
            "{name} cannot give or change the role {role}: it holds more than their own.",
            name=acting.name, role=role.name,
        )


def _reached(connection: Connection, acting: Person, name: str) -> RowMapping:
    """An account that the administrator may change: one whose role holds no more than theirs."""
    row = connection.execute(
        select(ACCOUNTS).where(ACCOUNTS.c.name == folded(name))
    ).mappings().first()
    if row is None:
        raise Forbidden("There is no account {name}.", name=name[:MAX_NAME])
    _may_give(acting, _held_role(connection, row["role"]))
    return row


def _first(connection: Connection, role: str) -> None:
    if _count(connection):
        raise Forbidden("There are accounts already: say which administrator does this.")
    if not _role(connection, role).covers(ROLES["admin"]):
        raise RefusedInput("The first account is an administrator's: its role is admin.")


def _hand_over(connection: Connection, name: str) -> None:
    """What was kept while there were no accounts is the first administrator's."""
    for owner in (SAVED_VIEWS.c.owner, REPORT_SCHEDULES.c.owner, NOTES.c.author):
        change = update(owner.table).where(owner == LOCAL.name)
        connection.execute(change.values({owner.name: name}))


def _keep_an_administrator(connection: Connection) -> None:
    """Raise RefusedInput if nobody is left who holds every right and can sign in."""
    able = ACCOUNTS.c.password.is_not(None) | ACCOUNTS.c.email.is_not(None) | ACCOUNTS.c.is_demo
    names = connection.execute(select(ACCOUNTS.c.role).where(ACCOUNTS.c.is_active, able)).scalars()
    if not any(_held_role(connection, name).covers(ROLES["admin"]) for name in set(names)):
        raise RefusedInput("This is the last administrator. Make another one first.")


def _change(connection: Connection, name: str, **values: Any) -> None:
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(**values))


def _count(connection: Connection, table: Any = ACCOUNTS) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _account(row: RowMapping) -> Account:
    return Account(
        row["name"], row["role"], row["is_active"], row["is_demo"], row["password"] is not None,
        row["totp"] is not None, row["email"], row["created_at"], row["signed_in_at"],
        row["locked_until"],
    )

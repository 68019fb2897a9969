"""Signing in, and what a person does with their own account: password, second factor."""

from __future__ import annotations

import hmac
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select, update

from dashboard.identity import codes, passwords, second_factor, throttle
from dashboard.identity.accounts import Accounts, folded
from dashboard.identity.tables import ACCOUNTS, SESSIONS
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from loaders.errors import Forbidden, RefusedInput
from loaders.privacy import home_key


class SignIn:
    """The door of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def _key(self) -> bytes:
        return home_key(self._ledger.settings.home, "identity.key")

    def prove(
        self, name: str, password: str, code: str = "", address: str = "", *, needs_code: bool = True
    ) -> str:
        """The account's name, if the person knows its password and code.

        Raises Forbidden; the sentence is the same whether there is such an account or not.
        """
        wanted = folded(name)
        with self._ledger.transaction() as connection:
            row = _row(connection, wanted)
            who = wanted if row else self._stranger(wanted)
            if not throttle.is_let_in(connection, who, address):
                raise _refusal()
        agrees = passwords.agrees(row["password"] if row and row["is_active"] else None, password)
        with self._ledger.transaction() as connection:
            row = _row(connection, wanted)
            if agrees and row and self._code_agrees(connection, row, code, needs_code=needs_code):
                throttle.forgive(connection, who, address)
                self._keep(connection, row, password)
                return wanted
            audit.append(self._ledger, connection, wanted if row else "?", "sign_in_failed",
                         wanted if row else "?", address=address)
        raise _refusal()

    def set_up(self, code: str, name: str, password: str) -> str:
        """The first administrator's account, by the code from the terminal. Raises RefusedInput."""
        with self._ledger.reading() as connection:
            if not codes.held(connection, "setup", code)[0]:
                raise _stale()
        account = Accounts(self._ledger).add(None, name, "admin", password)
        with self._ledger.transaction() as connection:
            codes.drop(connection, "setup", None)
        return account.name

    def choose_password(self, code: str, password: str) -> str:
        """A new password by a one-time code; the account's sessions end. Raises RefusedInput."""
        with self._ledger.reading() as connection:
            is_good, name = codes.held(connection, "password", code)
        if not is_good or name is None:
            raise _stale()
        kept = passwords.hashed(passwords.check(password, name))
        with self._ledger.transaction() as connection:
            if not codes.held(connection, "password", code)[0]:
                raise _stale()
            codes.drop(connection, "password", name)
            self._change(connection, name, "password by a code", password=kept)
            connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))
        return name

    def change_password(self, name: str, old: str, new: str, address: str = "") -> None:
        """Another password. Whoever calls ends the other sessions. Raises Forbidden, RefusedInput."""
        checked = passwords.check(new, name)
        self.prove(name, old, address=address, needs_code=False)
        kept = passwords.hashed(checked)
        with self._ledger.transaction() as connection:
            self._change(connection, name, "password", password=kept)

    def offer_second_factor(self, name: str) -> str:
        """A secret for an authenticator; it holds once its first code is given."""
        with self._ledger.transaction() as connection:
            row = _row(connection, name)
            if row and row["totp_offered"]:
                return second_factor.unseal(self._key, name, row["totp_offered"])
            secret = second_factor.new_secret()
            sealed = second_factor.seal(self._key, name, secret)
            connection.execute(
                update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(totp_offered=sealed)
            )
        return secret

    def take_second_factor(self, name: str, password: str, code: str, address: str = "") -> None:
        """Turn the offered second factor on by its first code. Raises Forbidden, RefusedInput."""
        self.prove(name, password, address=address, needs_code=False)
        with self._ledger.transaction() as connection:
            row = _row(connection, name)
            sealed = row["totp_offered"] if row else None
            secret = second_factor.unseal(self._key, name, sealed) if sealed else ""
            step = second_factor.used_step(secret, code, None, now()) if secret else None
            if step is None:
                raise RefusedInput("This code is wrong or was used already. Wait for the next one.")
            self._change(connection, name, "second factor on",
                         totp=sealed, totp_offered=None, totp_step=step)

    def drop_second_factor(self, name: str, password: str, code: str, address: str = "") -> None:
        """Turn the second factor off; asks for both. Raises Forbidden."""
        self.prove(name, password, code, address)
        with self._ledger.transaction() as connection:
            self._change(connection, name, "second factor off", totp=None, totp_step=None)

    def asks_for(self, name: str) -> tuple[bool, bool]:
        """Whether signing in here asks for a password, and whether for a code, too."""
        with self._ledger.reading() as connection:
            row = _row(connection, name)
        return (row["password"] is not None, row["totp"] is not None) if row else (False, False)

    def check_key(self) -> None:
        """Raise ConfigurationError if second factors were sealed with a key that is not this home's."""
        with self._ledger.reading() as connection:
            row = connection.execute(
                select(ACCOUNTS).where(ACCOUNTS.c.totp.is_not(None)).limit(1)
            ).mappings().first()
        if row is not None:
            second_factor.unseal(self._key, row["name"], row["totp"])

    def _code_agrees(
        self, connection: Connection, row: RowMapping, code: str, *, needs_code: bool
    ) -> bool:
        if row["totp"] is None or not needs_code:
            return True
        secret = second_factor.unseal(self._key, row["name"], row["totp"])
        step = second_factor.used_step(secret, code, row["totp_step"], now())
        if step is None:
            return False
        connection.execute(
            update(ACCOUNTS).where(ACCOUNTS.c.name == row["name"]).values(totp_step=step)
        )
        return True

    def _keep(self, connection: Connection, row: RowMapping, password: str) -> None:
        values: dict[str, Any] = {"signed_in_at": now()}
        if passwords.is_outdated(row["password"]):
            values["password"] = passwords.hashed(password)
        connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == row["name"]).values(values))

    def _change(self, connection: Connection, name: str, what: str, **values: Any) -> None:
        connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))
        audit.append(self._ledger, connection, name, "account_changed", name, what=what)

    def _stranger(self, name: str) -> str:
        """What a name without an account is counted under; people type passwords there by mistake."""
        return f"?{hmac.digest(self._key, name.encode(), 'sha256').hex()[:40]}"


def _row(connection: Connection, name: str) -> RowMapping | None:
    return connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().first()


def _refusal() -> Forbidden:
    return Forbidden(
        "Name, password or code is wrong, or there were too many tries. After several, wait some"
        " minutes before the next."
    )


def _stale() -> RefusedInput:
    return RefusedInput("This one-time code is wrong, was used already or is too old.")

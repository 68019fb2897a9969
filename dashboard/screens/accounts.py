"""Accounts and roles, for an administrator."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from dashboard.identity.accounts import Account, Accounts
from dashboard.screens import parts
from dashboard.screens.roles import do, role_title, roles
from dashboard.services import Services

_ACCOUNT = ("account", "role", "is_active", "has_password", "second_factor", "signed_in_at",
            "locked_until")


def render(services: Services) -> None:
    """Draw the page."""
    accounts = services.accounts
    with st.container():
        _told(services)
    found = accounts.accounts()
    parts.rows_table(services, [_account_row(services, item) for item in found], _ACCOUNT, "accounts")
    _add(services, accounts)
    _change(services, accounts, found)
    roles(services, accounts)


def _account_row(services: Services, account: Account) -> dict[str, Any]:
    return {
        "account": account.name, "role": role_title(services, account.role),
        "is_active": account.is_active, "has_password": account.has_password,
        "second_factor": account.has_totp, "signed_in_at": account.signed_in_at,
        "locked_until": account.locked_until if account.is_locked else None,
    }


def _told(services: Services) -> None:
    """A one-time code, shown once."""
    name, code = st.session_state.pop("one-time-code", ("", ""))
    if not code:
        return
    here = urlsplit(st.context.url or "")
    base = services.settings.shop.dashboard_url.rstrip("/") or f"{here.scheme}://{here.netloc}"
    st.success(services.say(
        "Give {name} this link. It is good once, for a day, and is not shown again.", name=name
    ))
    st.code(f"{base}/password#{code}", language=None)


def _add(services: Services, accounts: Accounts) -> None:
    say = services.say
    with st.expander(say("New account"), icon=":material/person_add:"), st.form("new-account"):
        name = st.text_input(say("Name"), max_chars=64)
        role = _role_choice(services, accounts, "new-account-role")
        if st.form_submit_button(say("Add the account"), type="primary"):
            def act() -> None:
                added = accounts.add(services.person, name, role)
                code = accounts.reset(services.person, added.name)
                st.session_state["one-time-code"] = (added.name, code)

            do(services, act)


def _change(services: Services, accounts: Accounts, found: list[Account]) -> None:
    say, me = services.say, services.person
    with st.expander(say("Change an account"), icon=":material/manage_accounts:"):
        name = st.selectbox(say("Account"), [item.name for item in found], key="changed-account")
        one = next(item for item in found if item.name == name)
        role = _role_choice(services, accounts, f"role-{name}", one.role)
        mail = st.text_input(say("Mail address at the sign-in service"), one.email or "",
                             key=f"mail-{name}")
        with st.container(horizontal=True):
            if st.button(say("Save"), key="save-account", type="primary"):
                do(services, lambda: _save(accounts, services, one, role, mail))
            if name != me.name:
                _resets(services, accounts, name)
            switch = accounts.disable if one.is_active else accounts.enable
            if st.button(say("Disable") if one.is_active else say("Enable"), key="switch-account"):
                do(services, lambda: switch(me, name))


def _resets(services: Services, accounts: Accounts, name: str) -> None:
    """Not for oneself: it ends the account's sessions, and the link would be shown to nobody."""
    if st.button(services.say("New password by a link"), key="reset-account"):
        do(services, lambda: _reset(accounts, services, name))
    if st.button(services.say("Forget the second factor, too"), key="reset-factor"):
        do(services, lambda: _reset(accounts, services, name, drops_totp=True))


def _save(accounts: Accounts, services: Services, one: Account, role: str, mail: str) -> None:
    if role != one.role:
        accounts.set_role(services.person, one.name, role)
    if mail.strip().casefold() != (one.email or ""):
        accounts.set_email(services.person, one.name, mail)


def _reset(accounts: Accounts, services: Services, name: str, *, drops_totp: bool = False) -> None:
    code = accounts.reset(services.person, name, drops_totp=drops_totp)
    st.session_state["one-time-code"] = (name, code)


def _role_choice(services: Services, accounts: Accounts, key: str, held: str = "viewer") -> str:
    names = [role.name for role in accounts.roles()]
    return st.selectbox(services.say("Role"), names, names.index(held), key=key,
                        format_func=lambda name: role_title(services, name))

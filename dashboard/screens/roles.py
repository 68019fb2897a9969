"""The roles of a home, and making one of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import RIGHTS, Role
from dashboard.screens import parts
from dashboard.services import Services
from dashboard.wording.labels import RIGHT_TITLES, ROLE_TITLES
from loaders.errors import MdashError

_ROLE = ("role", "rights", "refund_limit_fen", "approve_limit_fen", "stores")


def roles(services: Services, accounts: Accounts) -> None:
    """All roles, and the form of one."""
    parts.section(services, "Roles")
    rows = [_row(services, role) for role in accounts.roles()]
    parts.rows_table(services, rows, _ROLE, "roles")
    _form(services, accounts)


def role_title(services: Services, name: str) -> str:
    """A role's name as people read it; one of the home's own is called as it is called."""
    return services.say(ROLE_TITLES[name]) if name in ROLE_TITLES else name


def do(services: Services, act: Callable[[], object]) -> None:
    """Act, and draw anew what changed; or say why not."""
    try:
        act()
    except MdashError as error:
        st.error(services.say(error.template, **error.values), icon=":material/error:")
    else:
        st.rerun()


def _row(services: Services, role: Role) -> dict[str, Any]:
    stores = role.stores
    return {
        "role": role_title(services, role.name),
        "rights": " · ".join(
            services.say(RIGHT_TITLES[right]) for right in RIGHTS if right in role.rights
        ),
        "refund_limit_fen": role.refund_limit_fen, "approve_limit_fen": role.approve_limit_fen,
        "stores": None if stores is None else ", ".join(sorted(stores)),
    }


def _form(services: Services, accounts: Accounts) -> None:
    say, choices = services.say, services.choices()["store"]
    title = say("New role, or another shape of one")
    with st.expander(title, icon=":material/badge:"), st.form("role"):
        name = st.text_input(say("Name"), max_chars=64)
        rights = st.multiselect(say("Rights"), RIGHTS, ["see"],
                                format_func=lambda right: say(RIGHT_TITLES[right]))
        refund = st.number_input(say("Refund up to (yuan)"), 0, value=None, step=100)
        approve = st.number_input(say("Approve up to (yuan)"), 0, value=None, step=100)
        stores = st.multiselect(
            say("Only these stores"), choices, accept_new_options=True, placeholder=say("all")
        )
        if st.form_submit_button(say("Save the role"), type="primary"):
            made = Role(name, frozenset(rights), _fen(refund), _fen(approve), frozenset(stores) or None)
            do(services, lambda: accounts.save_role(services.person, made))


def _fen(yuan: int | None) -> int | None:
    return None if yuan is None else yuan * 100

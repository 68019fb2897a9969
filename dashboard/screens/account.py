"""Who is signed in, in the sidebar; and what stands where nobody is."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from urllib.parse import quote, urlencode, urlsplit

import streamlit as st

from dashboard.services import Services
from dashboard.wording.labels import ROLE_TITLES
from loaders.privacy import without_persons


def menu(services: Services, sign_out: Callable[[], None]) -> None:
    """Name and role; the way to one's own account, and out."""
    say, person = services.say, services.person
    role = say(ROLE_TITLES.get(person.role.name, person.role.name))
    with st.sidebar, st.popover(person.name, icon=":material/account_circle:", width="stretch"):
        st.caption(say("Signed in as {name}, {role}.", name=person.name, role=role))
        _way("/account", services, say("Password, second factor, sessions"))
        st.button(say("Sign out"), icon=":material/logout:", key="sign-out", on_click=sign_out)


def signed_out(services: Services) -> None:
    """What stands where nobody is signed in any more."""
    say = services.say
    st.title(say("You are not signed in."), anchor=False)
    st.markdown(say("You signed out, your session ended, or your account changed."))
    _way("/login", services, say("Sign in"))


def _way(path: str, services: Services, label: str) -> None:
    """A link to a page beside the dashboard that knows the way back."""
    here = urlsplit(st.context.url or "")
    query = without_persons(here.query)
    back = f"{here.path or '/'}?{query}" if query else here.path or "/"
    address = f"{path}?{urlencode({'lang': services.language})}&next={quote(back, safe='')}"
    st.html(
        f'<a class="mdash-way" target="_self" href="{escape(address, quote=True)}">{escape(label)} →</a>'
    )

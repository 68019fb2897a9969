"""The dashboard's entry: builds the services and names the screens. No logic."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboard.identity.rights import NOBODY, Person, Right
from dashboard.identity.sessions import Sessions
from dashboard.identity.web import token_of
from dashboard.metrics.answers import Answers
from dashboard.operations.ledger import Ledger
from dashboard.screens import (
    account,
    accounts,
    alerts,
    audiences,
    buyer,
    campaigns,
    channels,
    conversion,
    data,
    definitions,
    failures,
    latency,
    loyalty,
    overview,
    parts,
    reconciliation,
    refunds,
    retention,
    settlement,
    sidebar,
    trades,
    trail,
)
from dashboard.screens.bar import View, filter_bar, usual_view
from dashboard.screens.files import page_menu
from dashboard.screens.saved import saved_views
from dashboard.services import Services
from dashboard.wording import LANGUAGES
from loaders.channels import retry_ladders
from loaders.errors import Forbidden, MdashError
from loaders.settings import default_home, load_settings
from loaders.store.reader import Reader

Render = Callable[[Services, View], None]
_SECTIONS: dict[str, tuple[tuple[str, str, str, Render], ...]] = {
    "Payment analysis": (
        ("overview", "Overview", ":material/space_dashboard:", overview.render),
        ("conversion", "Conversion", ":material/filter_alt:", conversion.render),
        ("failures", "Failures", ":material/error_outline:", failures.render),
        ("latency", "Latency", ":material/timer:", latency.render),
        ("channels", "Channels", ":material/compare_arrows:", channels.render),
    ),
    "Buyer analysis": (
        ("retention", "Retention", ":material/group:", retention.render),
        ("loyalty", "Loyalty", ":material/loyalty:", loyalty.render),
        ("campaigns", "Campaigns", ":material/campaign:", campaigns.render),
        ("audiences", "Audiences", ":material/groups:", audiences.render),
        ("buyer", "Buyer", ":material/person:", buyer.render),
    ),
    "Support and money": (
        ("trades", "Trades", ":material/receipt_long:", trades.render),
        ("refunds", "Refunds and approvals", ":material/undo:", refunds.render),
        ("settlement", "Settlement", ":material/payments:", settlement.render),
        ("reconciliation", "Reconciliation", ":material/balance:", reconciliation.render),
    ),
    "Administration": (
        ("alerts", "Alerts", ":material/notifications:", alerts.render),
        ("data", "Data", ":material/database:", data.render),
        ("definitions", "Definitions", ":material/menu_book:", definitions.render),
    ),
}
# Screens without the filter bar, for those who have the right.
_OFFICE: tuple[tuple[str, str, str, Callable[[Services], None], Right], ...] = (
    ("accounts", "Accounts", ":material/manage_accounts:", accounts.render, "administer"),
    ("trail", "Audit trail", ":material/history:", trail.render, "administer"),
)
_ALWAYS = ("data", "definitions")
# Screens that the filters do not narrow. (No docstrings: Streamlit would show them on every page.)
_UNFILTERED = ("refunds",)


@st.cache_resource
def _answers(home: str) -> Answers:
    return Answers(Reader(load_settings(Path(home)), retry_ladders()))


@st.cache_resource
def _sessions(home: str) -> Sessions:
    return Sessions(Ledger(load_settings(Path(home))))


def _home() -> str:
    return os.environ.get("MDASH_HOME") or str(default_home())


def _person() -> Person | None:
    """Who this browser's session is of at this moment; None if it is over.

    The guard has seen the click; a page that draws itself anew is none.
    """
    settings = load_settings(Path(_home()))
    host = st.context.headers.get("Host", "")
    token = token_of(settings, host, st.context.cookies.to_dict())
    return _sessions(_home()).person(token, is_seen=False)


def _acting() -> Person:
    """Who acts, asked again at every click: a page may have been drawn before the session ended."""
    person = _person()
    if person is None:
        raise Forbidden("You are signed out. Sign in again.")
    return person


def _services(person: Person) -> Services:
    answers = _answers(_home())
    settings = answers.reader.settings
    default = settings.shop.language
    wanted = st.query_params.get("lang") or st.session_state.get("spoken") or default
    # Kept beside the address: a click during the first run drops what stands there.
    language = st.session_state["spoken"] = wanted if wanted in LANGUAGES else default
    if language != default and "lang" not in st.query_params:
        st.query_params["lang"] = language
    return Services(settings, answers, language, person, identify=_acting)


def _page(
    services: Services, name: str, title: str, render: Render
) -> Callable[[], None]:
    def draw() -> None:
        parts.heading(services, title)
        if services.reader.is_empty and name not in _ALWAYS:
            parts.empty_home(services)
            return
        try:
            is_one = name == "trades" and bool(st.query_params.get("id"))
            is_bare = is_one or name in _UNFILTERED
            view = usual_view(services) if is_bare else filter_bar(services)
            render(services, view)
            page_menu(services, name, title, view.question)
        except MdashError as error:
            st.error(services.say(error.template, **error.values), icon=":material/error:")

    return draw


def _office(services: Services, title: str, render: Callable[[Services], None]) -> Callable[[], None]:
    def draw() -> None:
        parts.heading(services, title)
        try:
            render(services)
        except MdashError as error:
            st.error(services.say(error.template, **error.values), icon=":material/error:")

    return draw


def _sign_out() -> None:
    """End this browser's session; the run after it finds nobody."""
    settings = load_settings(Path(_home()))
    host = st.context.headers.get("Host", "")
    _sessions(_home()).end(token_of(settings, host, st.context.cookies.to_dict()))


def _language_choice(services: Services) -> None:
    def keep() -> None:
        st.query_params["lang"] = st.session_state["language"]

    with st.sidebar:
        st.segmented_control(
            services.say("Language"), LANGUAGES, key="language", default=services.language,
            required=True, on_change=keep,
            format_func=lambda code: {"zh": "中文", "en": "English"}[code],
        )


def main() -> None:
    """Draw the chosen screen."""
    icon = str(Path(__file__).with_name("icon.png"))
    st.set_page_config(page_title="mdash", page_icon=icon, layout="wide")
    person = _person()
    if person is None:
        account.signed_out(_services(NOBODY))
        return
    services = _services(person)
    sections = {
        services.say(section): [
            st.Page(
                _page(services, name, title, render), title=services.say(title), icon=icon,
                url_path=name, default=name == "overview",
            )
            for name, title, icon, render in screens
        ]
        for section, screens in _SECTIONS.items()
    }
    office = [
        st.Page(_office(services, title, render), title=services.say(title), icon=icon, url_path=name)
        for name, title, icon, render, right in _OFFICE
        if person.may(right)
    ]
    sidebar.name_sections({name: len(pages) for name, pages in sections.items()})
    pages = [page for section in sections.values() for page in section] + office
    chosen = st.navigation(pages, expanded=True)
    st.session_state["is_moved"] = st.session_state.get("page") != chosen.url_path
    st.session_state["page"] = chosen.url_path
    _language_choice(services)
    account.menu(services, _sign_out)
    try:
        saved_views(services, chosen.url_path or "overview")
    except MdashError as error:
        st.sidebar.error(services.say(error.template, **error.values), icon=":material/error:")
    chosen.run()


if __name__ == "__main__":
    main()

"""The dashboard's entry: builds the services and names the screens. No logic."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboard.metrics.answers import Answers
from dashboard.screens import (
    alerts,
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
    retention,
    settlement,
    trades,
)
from dashboard.screens.bar import View, filter_bar
from dashboard.screens.files import page_menu
from dashboard.screens.saved import saved_views
from dashboard.services import Services
from dashboard.wording import LANGUAGES
from loaders.channels import retry_ladders
from loaders.errors import MdashError
from loaders.settings import default_home, load_settings
from loaders.store.reader import Reader

Render = Callable[[Services, View], None]
_SCREENS: tuple[tuple[str, str, str, Render], ...] = (
    ("overview", "Overview", ":material/space_dashboard:", overview.render),
    ("conversion", "Conversion", ":material/filter_alt:", conversion.render),
    ("failures", "Failures", ":material/error_outline:", failures.render),
    ("latency", "Latency", ":material/timer:", latency.render),
    ("retention", "Retention", ":material/group:", retention.render),
    ("loyalty", "Loyalty", ":material/loyalty:", loyalty.render),
    ("settlement", "Settlement", ":material/payments:", settlement.render),
    ("reconciliation", "Reconciliation", ":material/balance:", reconciliation.render),
    ("channels", "Channels", ":material/compare_arrows:", channels.render),
    ("trades", "Trades", ":material/receipt_long:", trades.render),
    ("alerts", "Alerts", ":material/notifications:", alerts.render),
    ("data", "Data", ":material/database:", data.render),
    ("definitions", "Definitions", ":material/menu_book:", definitions.render),
)
_ALWAYS = ("data", "definitions")


@st.cache_resource
def _answers(home: str) -> Answers:
    return Answers(Reader(load_settings(Path(home)), retry_ladders()))


def _services() -> Services:
    home = os.environ.get("MDASH_HOME") or str(default_home())
    answers = _answers(home)
    settings = answers.reader.settings
    default = settings.shop.language
    wanted = st.query_params.get("lang") or st.session_state.get("spoken") or default
    # Kept beside the address: a click during the first run drops what stands there.
    language = st.session_state["spoken"] = wanted if wanted in LANGUAGES else default
    return Services(settings, answers, language)


def _page(
    services: Services, name: str, title: str, render: Render
) -> Callable[[], None]:
    def draw() -> None:
        parts.heading(services, title)
        if services.reader.is_empty and name not in _ALWAYS:
            parts.empty_home(services)
            return
        try:
            view = filter_bar(services)
            render(services, view)
            page_menu(services, name, title, view.question)
        except MdashError as error:
            st.error(services.say(error.template, **error.values), icon=":material/error:")

    return draw


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
    services = _services()
    pages = [
        st.Page(
            _page(services, name, title, render), title=services.say(title), icon=icon,
            url_path=name,
            default=name == "overview",
        )
        for name, title, icon, render in _SCREENS
    ]
    names = [screen[0] for screen in _SCREENS]
    chosen = st.navigation(pages)
    _language_choice(services)
    try:
        saved_views(services, next(
            name for name, page in zip(names, pages, strict=True) if page == chosen
        ))
    except MdashError as error:
        st.sidebar.error(services.say(error.template, **error.values), icon=":material/error:")
    chosen.run()


main()

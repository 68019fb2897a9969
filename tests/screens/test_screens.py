"""Every screen in every state: empty home, one row, a missing source, and full."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.conftest import Sample, run_mdash
from tests.store.messages import attempt, body, envelope, fields, order

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
SCREENS = (
    "overview", "conversion", "failures", "latency", "channels", "retention", "loyalty", "campaigns",
    "audiences", "buyer", "trades", "settlement", "reconciliation", "alerts", "data", "definitions",
)


_drawn: list[Path] = []


@pytest.fixture(autouse=True)
def _home_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MDASH_HOME", raising=False)


def _one_home(home: Path) -> None:
    """Screens of one home share its answers as sessions do; another home begins anew."""
    import streamlit as st

    if _drawn != [home]:
        st.cache_resource.clear()
        _drawn[:] = [home]


def draw(
    home: Path, screen: str, monkeypatch: pytest.MonkeyPatch, person: str = "", **parameters: str
) -> AppTest:
    """A screen's elements, drawn by the app's own pages for a person with an account, or locally."""
    _one_home(home)
    monkeypatch.setenv("MDASH_HOME", str(home))
    source = f"""
import importlib
import dashboard.app as app
from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import LOCAL
from dashboard.operations.ledger import Ledger
from loaders.settings import load_settings
from pathlib import Path
person = LOCAL
if {person!r}:
    person = Accounts(Ledger(load_settings(Path({str(home)!r})))).person({person!r})
app._acting = lambda: person
services = app._services(person)
render = next(r for part in app._SECTIONS.values() for name, _, _, r in part if name == {screen!r})
app._page(services, {screen!r}, {screen!r}, render)()
"""
    test = AppTest.from_string(source, default_timeout=60)
    for name, value in parameters.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, [item.value for item in test.exception]
    return test


def words(test: AppTest) -> str:
    kinds = (test.title, test.markdown, test.caption, test.info, test.warning, test.subheader)
    return "\n".join(str(item.value) for kind in kinds for item in kind)


@pytest.mark.parametrize("screen", SCREENS)
def test_an_empty_home_says_how_to_begin(
    screen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(tmp_path / "nothing", screen, monkeypatch, lang="en")
    if screen != "definitions":
        assert "Nothing has been loaded yet." in words(test)
    assert not (tmp_path / "nothing" / "catalog.sqlite").exists()


@pytest.fixture(scope="module")
def one_row(tmp_path_factory: pytest.TempPathFactory, fresh_home: Path, channel_key: bytes) -> Path:
    folder = tmp_path_factory.mktemp("one")
    home = Path(shutil.copytree(fresh_home, folder / "home"))
    (folder / "c.jsonl").write_text(order("M1") + "\n" + attempt("M1") + "\n", "utf-8")
    (folder / "n.log").write_text(envelope(body(channel_key, fields("M1"))) + "\n", "utf-8")
    assert run_mdash(home, "load", str(folder / "c.jsonl"), str(folder / "n.log")).code == 0
    return home


@pytest.mark.parametrize("screen", SCREENS)
def test_one_row_is_drawn(screen: str, one_row: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(one_row, screen, monkeypatch, lang="en")


def test_a_missing_source_is_named_and_not_shown_as_zero(
    tmp_path: Path, fresh_home: Path, channel_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(fresh_home, tmp_path / "home"))
    (tmp_path / "n.log").write_text(envelope(body(channel_key, fields("M1"))) + "\n", "utf-8")
    assert run_mdash(home, "load", str(tmp_path / "n.log")).code == 0
    test = draw(home, "overview", monkeypatch, lang="en")
    shown = {card.label: card.value for card in test.metric}
    assert shown["Order conversion"] == "—"
    assert shown["Orders"] == "—"
    assert shown["Paid"] == "¥88.88"
    assert "Checkout log was never loaded" in words(test)


@pytest.mark.parametrize("language", ["zh", pytest.param("en", marks=pytest.mark.slow)])
@pytest.mark.parametrize("screen", SCREENS)
def test_a_full_home_in_both_languages(
    screen: str, language: str, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(sample.home, screen, monkeypatch, lang=language)
    assert len(test.title) == 1


def test_the_cards_are_the_metrics_numbers(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = sample.merchant.last_day
    first = last - timedelta(days=29)
    row = sample.metric("sales", "--from", first.isoformat(), "--to", last.isoformat())["rows"][0]
    test = draw(sample.home, "overview", monkeypatch, lang="en")
    shown = {card.label: card.value for card in test.metric}
    assert shown["Orders"] == f"{row['orders']:,}"
    assert shown["Paid"] == f"¥{row['paid_fen'] / 100:,.2f}"


def test_a_trade_is_found_and_its_story_told(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = next(order for order in sample.orders if order.refunds and order.received_at)
    for identifier in (wanted.order_no, wanted.trade_no, wanted.refunds[0].number):
        test = draw(sample.home, "trades", monkeypatch, lang="en", id=identifier)
        drawn = "\n".join(item.proto.body for item in test.get("html"))
        assert f"Order {wanted.order_no}" in drawn
        assert "given back" in drawn
    unknown = draw(sample.home, "trades", monkeypatch, lang="en", id="no-such-id")
    assert "There is no trade with this id." in words(unknown)

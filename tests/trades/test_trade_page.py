"""The trade's page in each of its states, and the table of a pasted list."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.screens.test_screens import _home_variable, draw, words
from tests.trades.conftest import BUYER, LOGON
from tests.trades.test_desk import trail

pytestmark = pytest.mark.slow

__all__ = ["_home_variable"]


def drawn(test: AppTest) -> str:
    return "\n".join(str(item.proto.body) for item in test.get("html"))


def test_one_match_opens_the_page_and_reading_is_noted_once(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(trail(desk_home))
    test = draw(desk_home, "trades", monkeypatch, id="M1", lang="zh")
    assert "12:00:30 已支付；5 月 3 日的账单尚未导入" in drawn(test)
    assert [tab.label for tab in test.tabs] == ["中文", "English"]
    copied = [item.value for item in test.code]
    assert copied[0] == "您的订单 M1 已于 5 月 3 日 12:00 付款 ¥88.88。"
    assert copied[1] == "We received your payment of ¥88.88 for order M1 on 3 May 12:00."
    test.run()
    assert trail(desk_home)[before:] == [("trade_read", "alipay/M1")]


def test_what_is_not_known_is_said_so_and_the_button_says_why_not(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(desk_home, "trades", monkeypatch, id="M3", lang="en")
    text = drawn(test)
    assert "Not known to be paid; a notification named another amount" in text
    assert "Please do not pay again" in test.code[0].value
    button = next(item for item in test.button if item.key == "ask-channel")
    assert button.disabled
    assert button.help == "This channel is not set up for asking."


def test_messages_as_they_came_are_shown_on_demand_and_masked(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(desk_home, "trades", monkeypatch, id="M1", lang="en")
    assert "TRADE_SUCCESS</td>" not in drawn(test)
    test.toggle[0].set_value(True).run()
    shown = drawn(test)
    assert shown.count("TRADE_SUCCESS</td>") == 2
    assert LOGON not in shown
    assert BUYER not in shown


def test_a_list_gives_a_table_of_verdicts_with_what_was_not_found(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(trail(desk_home))
    test = draw(desk_home, "trades", monkeypatch, id="M1, M3 NOBODY", lang="en")
    assert "2 trades of 3 ids; 1 ids belong to none." in words(test)
    table = test.dataframe[0].value
    assert list(table["Id asked about"]) == ["M1", "M3", "NOBODY"]
    assert list(table["What became of it"]) == ["Paid", "Amounts differ", "Not found"]
    assert trail(desk_home)[before:] == [("trade_read", "2 trades")]


def test_an_id_of_nothing_says_so(desk_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = draw(desk_home, "trades", monkeypatch, id="NOBODY", lang="en")
    assert "There is no trade with this id." in words(test)


def test_a_buyer_s_own_id_gives_way_to_the_pseudonym_in_the_field_and_the_address(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(desk_home, "trades", monkeypatch, id="ann0", lang="en")
    assert not test.exception
    field = test.session_state["id"]
    assert field.startswith("b")
    assert len(field) == 21
    assert len(test.dataframe[0].value) == 2
    test.run()
    assert test.session_state["id"] == field


@pytest.mark.parametrize("typed", ["13812345678", BUYER, LOGON])
def test_a_person_s_id_that_finds_nothing_does_not_stay(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    test = draw(desk_home, "trades", monkeypatch, id=typed, lang="en")
    assert "There is no trade with this id." in words(test)
    assert test.session_state["id"] == ""
    test.run()
    assert "There is no trade with this id." not in words(test)


def test_a_pasted_list_does_not_stay_in_the_address(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(desk_home, "trades", monkeypatch, id="M1 ann0", lang="en")
    assert test.session_state["id"] == ""
    assert list(test.dataframe[0].value["Id asked about"])[:1] == ["M1"]


def account(home: Path, role: str) -> str:
    from dashboard.identity.accounts import Accounts
    from dashboard.operations.ledger import Ledger
    from loaders.settings import load_settings

    accounts = Accounts(Ledger(load_settings(home)))
    if accounts.is_empty:
        accounts.add(None, "ada", "admin", "a long enough password 7")
    if role == "admin":
        return "ada"
    if role not in {item.name for item in accounts.accounts()}:
        accounts.add(accounts.person("ada"), role, role)
    return role


def test_who_may_unmasks_for_a_reason_on_the_page(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(desk_home, "trades", monkeypatch, account(desk_home, "admin"), id="M1", lang="en")
    before = len(trail(desk_home))
    show = next(item for item in test.button if item.label == "Show")
    show.click().run()
    assert "Give a reason" in test.error[0].value
    next(item for item in test.text_input if item.label == "Reason").set_value("the buyer asked us")
    next(item for item in test.button if item.label == "Show").click().run()
    assert BUYER in [item.value for item in test.code]
    assert trail(desk_home)[before:] == [("unmasked", "alipay/M1")]
    test.run()
    assert BUYER not in [item.value for item in test.code]


def test_without_the_rights_nothing_is_unmasked_or_taken_away(
    desk_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(desk_home, "admin")
    test = draw(
        desk_home, "trades", monkeypatch, account(desk_home, "viewer"), id="M1 M3", lang="en")
    assert "stElementToolbar" in drawn(test)
    assert not test.get("download_button")
    test = draw(desk_home, "trades", monkeypatch, account(desk_home, "viewer"), id="M1", lang="en")
    assert "Show" not in [item.label for item in test.button]
    test = draw(desk_home, "trades", monkeypatch, "ada", id="M1 M3", lang="en")
    assert "stElementToolbar" not in drawn(test)

"""The administrator's screen: accounts are added, changed and shown; others see none of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.identity.accounts import Accounts
from dashboard.operations.ledger import Ledger

pytestmark = pytest.mark.slow

SOURCE = """
from pathlib import Path
from dashboard.identity.accounts import Accounts
from dashboard.operations.ledger import Ledger
from dashboard.screens import accounts
from dashboard.services import Services
from loaders.errors import MdashError
from loaders.settings import load_settings
import streamlit as st
settings = load_settings(Path({home!r}))
person = Accounts(Ledger(settings)).person({person!r})
try:
    accounts.render(Services(settings, language={language!r}, person=person))
except MdashError as error:
    st.error(str(error))
"""


def draw(ledger: Ledger, person: str, language: str = "en") -> AppTest:
    st.cache_resource.clear()
    home = str(ledger.settings.home)
    source = SOURCE.format(home=home, person=person, language=language)
    test = AppTest.from_string(source, default_timeout=60).run()
    assert not test.exception, [item.value for item in test.exception]
    return test


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.button if button.label == label).click()
    test.run()
    assert not test.exception, [item.value for item in test.exception]
    return test


@pytest.mark.parametrize("person", ["viewer", "analyst", "operator", "approver"])
def test_others_see_no_account(accounts: Accounts, ledger: Ledger, person: str) -> None:
    test = draw(ledger, person)
    assert "administer" in test.error[0].value
    assert not test.dataframe
    assert not test.button


def test_an_account_is_added_with_a_link_shown_once(accounts: Accounts, ledger: Ledger) -> None:
    test = draw(ledger, "admin")
    test.text_input[0].set_value("Anna")
    press(test, "Add the account")
    assert "/password#" in test.code[0].value
    assert accounts.person("anna").role.name == "viewer"
    test.run()
    assert not test.code


def test_an_account_is_changed(accounts: Accounts, ledger: Ledger) -> None:
    test = draw(ledger, "admin")
    test.selectbox(key="changed-account").set_value("viewer").run()
    test.selectbox(key="role-viewer").set_value("analyst")
    press(test, "Save")
    assert accounts.person("viewer").role.name == "analyst"
    press(test, "Disable")
    assert not next(item for item in accounts.accounts() if item.name == "viewer").is_active
    test.selectbox(key="changed-account").set_value("admin").run()
    press(test, "Disable")
    assert "last administrator" in test.error[0].value


def test_a_role_is_made_with_limits_in_yuan(accounts: Accounts, ledger: Ledger) -> None:
    test = draw(ledger, "admin", "zh")
    test.text_input[-1].set_value("till")
    test.multiselect[0].set_value(["see", "refund"])
    test.number_input[0].set_value(200)
    press(test, "保存角色")
    made = next(role for role in accounts.roles() if role.name == "till")
    assert (made.rights, made.refund_limit_fen, made.approve_limit_fen, made.stores) == (
        {"see", "refund"}, 20_000, None, None
    )


def test_the_screen_says_no_home_path_or_secret(accounts: Accounts, ledger: Ledger) -> None:
    test = draw(ledger, "admin")
    shown = str([frame.value.to_dict() for frame in test.dataframe])
    assert "argon2" not in shown
    assert str(Path(ledger.settings.home)) not in shown

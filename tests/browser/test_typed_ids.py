"""What was typed into the search field and may be a person's does not stay in the address."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = "13812345678"
GONE = re.compile(rf"^(?!.*{PHONE}).*$")


def test_a_person_s_id_leaves_the_address(page: Page, demo: str) -> None:
    page.goto(f"{demo}/trades?lang=en&id={PHONE}")
    expect(page.get_by_text("There is no trade with this id.")).to_be_visible(timeout=60_000)
    expect(page).to_have_url(GONE)
    for typed in (PHONE, f"{PHONE} 13912345678"):
        field = page.get_by_label("Find a trade")
        field.fill(typed)
        field.press("Enter")
        told = "There is no trade with this id." if " " not in typed else "2 ids belong to none"
        expect(page.get_by_text(told)).to_be_visible(timeout=60_000)
        expect(page).to_have_url(GONE)
        settled(page)
    assert PHONE not in page.get_by_label("Find a trade").input_value()

"""People: the first administrator by the terminal's link, a second by a link, roles in the demo."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.conftest import SignedIn
from tests.browser.looking import settled, watched
from tests.operations.conftest import free_port

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"
OTHER = "another battery of horses"
NO_SUCH_PAGE = "page that you have requested does not seem to exist"
"""What Streamlit says of a screen that a role has not."""
HOME = re.compile(r":\d+/(\?.*)?$")


@pytest.fixture
def first_link(tmp_path: Path) -> Iterator[str]:
    """What `mdash serve` prints in a home without accounts."""
    home, said = tmp_path / "home", tmp_path / "said"
    home.mkdir()
    (home / "mdash.toml").write_text('[shop]\nlanguage = "en"\n', "utf-8")
    with said.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.cli", "--home", str(home), "serve", "--port",
             str(free_port())], env=dict(os.environ), stderr=sink, stdout=subprocess.PIPE, text=True,
        )
        try:
            assert process.stdout
            assert any("URL:" in line for line in process.stdout), said.read_text("utf-8")
            found = re.search(r"http://\S+/setup#\S+", said.read_text("utf-8"))
            assert found
            yield found[0]
            assert said.read_text("utf-8").count(found[0].rpartition("#")[2]) == 1
        finally:
            process.kill()
            process.communicate(timeout=60)


def choose(page: Page, **boxes: str) -> None:
    for name, text in boxes.items():
        page.locator(f'input[name="{name}"]').first.fill(text)
    page.locator("button[type=submit]").first.click()


def pick(page: Page, box: str, option: str) -> None:
    """Choose in a box; one that is drawn anew while it opens closes, and is opened again."""
    for _ in range(6):
        page.get_by_role("combobox", name=box).click()
        found = page.get_by_role("option", name=option)
        with contextlib.suppress(Error):
            found.click(timeout=8_000)
            return
        page.keyboard.press("Escape")
    raise AssertionError(f"{option} could not be chosen")


def test_from_the_first_link_to_a_second_person(first_link: str, browser: Browser) -> None:
    base = first_link.partition("/setup")[0]
    context = browser.new_context()
    page, errors = watched(context)
    page.goto(first_link)
    expect(page).to_have_url(f"{base}/setup")
    expect(page.locator('input[name="code"]')).to_have_value(first_link.rpartition("#")[2])
    choose(page, name="Omar", password=PASSWORD, again=PASSWORD)
    page.wait_for_url(HOME)
    settled(page)
    page.get_by_role("link", name="Accounts", exact=True).click()
    expect(page.locator("h1")).to_have_text("Accounts", timeout=30_000)
    settled(page)
    page.get_by_text("New account").click()
    page.get_by_test_id("stMain").get_by_label("Name", exact=True).first.fill("anna")
    page.get_by_role("button", name="Add the account").click()
    link = page.get_by_test_id("stCode").inner_text(timeout=30_000).strip()
    assert link.startswith(f"{base}/password#")

    other = browser.new_context()
    theirs, their_errors = watched(other)
    theirs.goto(link)
    choose(theirs, password=OTHER, again=OTHER)
    theirs.wait_for_url(re.compile("/login"))
    choose(theirs, name="anna", password=OTHER)
    theirs.wait_for_url(HOME)
    settled(theirs)
    expect(theirs.get_by_role("link", name="Accounts", exact=True)).to_have_count(0)
    theirs.goto(f"{base}/accounts")
    expect(theirs.get_by_text("anna").first).to_be_visible(timeout=30_000)
    expect(theirs.get_by_role("button", name="Add the account")).to_have_count(0)
    theirs.goto(f"{base}/data")
    settled(theirs)

    page.get_by_text("Change an account").click()
    settled(page)
    pick(page, "Account", "anna")
    settled(page)
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_role("button", name="Enable", exact=True)).to_be_visible(timeout=30_000)
    theirs.get_by_role("link", name="Overview", exact=True).click()
    expect(theirs.get_by_text("You are not signed in.")).to_be_visible(timeout=30_000)
    theirs.goto(f"{base}/overview")
    theirs.wait_for_url(re.compile("/login"))
    context.close()
    other.close()
    assert [text for text in errors + their_errors if NO_SUCH_PAGE not in text] == []


def test_signing_out_ends_it(demo: str, browser: Browser, signed_in: SignedIn) -> None:
    context = browser.new_context()
    page, errors = watched(context)
    page.goto(f"{demo}/failures?lang=en")
    page.get_by_role("button", name="Sign in as analyst").click()
    expect(page.locator("h1")).to_have_text("Failures", timeout=30_000)
    settled(page)
    page.get_by_test_id("stSidebar").get_by_role("button", name="analyst").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are not signed in.")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign in as analyst")).to_be_visible()
    context.close()
    assert errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["login", "password", "account"])
def test_axe_finds_nothing_in_the_sign_in_pages(
    demo: str, browser: Browser, signed_in: SignedIn, path: str, scheme: str
) -> None:
    state = signed_in("viewer") if path == "account" else None
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme=scheme, storage_state=state
    )
    page, errors = watched(context)
    page.goto(f"{demo}/{path}?lang=zh")
    found = Axe().run(page).response["violations"]
    assert found == [], json.dumps(found, indent=1)[:2_000]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert errors == []

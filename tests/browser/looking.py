"""What browser tests share: a page that fails on any console error, and waiting until it is drawn."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

PROBED = "/_stcore/"
"""Streamlit looks for its base path below a deep link; the 404s are its own."""


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page, and the errors that its console and scripts gave so far."""
    page = context.new_page()
    errors: list[str] = []
    page.on(
        "console",
        lambda m: errors.append(m.text)
        if m.type == "error" and PROBED not in m.location.get("url", "")
        else None,
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page, errors


def settled(page: Page) -> None:
    """Wait until the page is drawn; fails on an exception or an error box."""
    page.wait_for_selector("h1", timeout=60_000)
    busy = page.locator('[data-testid="stStatusWidget"], [data-testid="stSkeleton"]')
    expect(busy).to_have_count(0, timeout=60_000)
    assert page.locator('[data-testid="stException"]').count() == 0
    assert page.locator('[data-testid="stAlertContentError"]').count() == 0


def phone(browser: Browser, state: StorageState | None = None) -> BrowserContext:
    """A context as wide as a phone, in the dark; signed in if its state is."""
    return browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", storage_state=state
    )

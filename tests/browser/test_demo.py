"""A new user's first minutes: every screen opens, filters live in the URL, files load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sample_data.files import trade_bill
from tests.browser.conftest import SignedIn
from tests.browser.looking import phone, settled
from tests.store.test_bills import DAY, lines, newer

pytestmark = pytest.mark.browser

SCREENS = {
    "en": ("Overview", "Conversion", "Failures", "Latency", "Channels", "Retention", "Loyalty",
           "Campaigns", "Audiences", "Buyer", "Trades", "Refunds and approvals", "Settlement",
           "Reconciliation", "Alerts", "Data", "Definitions"),
    "zh": ("总览", "转化", "失败", "时延", "渠道", "留存", "忠诚度", "营销活动", "人群", "买家", "交易",
           "退款与审批", "结算", "对账", "告警", "数据", "定义"),
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_screen_opens(demo: str, page: Page, language: str, shots: Path | None) -> None:
    page.goto(f"{demo}/?lang={language}")
    for title in SCREENS[language]:
        page.get_by_role("link", name=title, exact=True).click()
        expect(page.locator("h1")).to_have_text(title, timeout=30_000)
        settled(page)
        if shots:
            page.wait_for_timeout(800)
            page.screenshot(path=shots / f"{language}-{title}.png")


def test_the_phone_shows_every_screen_without_sideways_scrolling(
    demo: str, browser: Browser, signed_in: SignedIn, shots: Path | None
) -> None:
    context = phone(browser, signed_in("admin"))
    page = context.new_page()
    for name in ("", "conversion", "failures", "latency", "channels", "retention", "loyalty",
                 "campaigns", "audiences", "buyer", "trades", "refunds", "settlement",
                 "reconciliation", "alerts", "data", "definitions"):
        page.goto(f"{demo}/{name}?lang=zh")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        if shots:
            page.screenshot(path=shots / f"phone-{name or 'overview'}.png")
    context.close()


def orders_card(page: Page) -> Locator:
    """The value of the card of orders."""
    card = page.locator('[data-testid="stMetric"]').filter(
        has=page.get_by_text("Orders", exact=True)
    )
    return card.locator('[data-testid="stMetricValue"]')


def test_filters_live_in_the_url(demo: str, page: Page) -> None:
    page.goto(f"{demo}/?lang=en")
    settled(page)
    before = orders_card(page).inner_text()
    page.get_by_role("button", name=re.compile("Filters")).click()
    page.get_by_role("combobox", name=re.compile("Product")).click()
    page.get_by_role("option", name="mobile web", exact=True).click()
    page.wait_for_url(re.compile("product=QUICK_WAP_WAY"))
    expect(page.get_by_text("Only Product: mobile web")).to_be_visible(timeout=20_000)
    expect(orders_card(page)).not_to_have_text(before, timeout=20_000)
    settled(page)
    filtered = orders_card(page).inner_text()
    assert int(filtered) < int(before)
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    settled(page)
    expect(orders_card(page)).to_have_text(filtered, timeout=20_000)
    for title in ("Conversion", "Overview"):
        page.get_by_role("link", name=title, exact=True).click()
        expect(page.locator("h1")).to_have_text(title, timeout=30_000)
        expect(page.get_by_text("Only Product: mobile web")).to_be_visible(timeout=20_000)
    assert "product=QUICK_WAP_WAY" in page.url


def test_a_trade_is_found_by_its_number(demo: str, page: Page) -> None:
    page.goto(f"{demo}/?lang=en")
    page.get_by_role("link", name="Trades", exact=True).click()
    settled(page)
    box = page.get_by_label("Find a trade")
    box.fill("no-such-id")
    box.press("Enter")
    expect(page.get_by_text("There is no trade with this id.")).to_be_visible(timeout=20_000)


def test_a_file_is_loaded_and_a_wrong_one_explained(
    demo: str, page: Page, tmp_path: Path
) -> None:
    good, wrong = tmp_path / "good.csv", tmp_path / "wrong.csv"
    good.write_bytes(newer(trade_bill(DAY, DAY, lines()), "2026年12月30日 09:00:00"))
    wrong.write_bytes(good.read_bytes()[:900])
    page.goto(f"{demo}/?lang=en")
    page.get_by_role("link", name="Data", exact=True).click()
    settled(page)
    page.locator('input[type="file"]').set_input_files([good, wrong])
    expect(page.get_by_text("wrong.csv").first).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text(re.compile(r"good\.csv: replaced, 7 rows"))).to_be_visible(
        timeout=60_000
    )
    expect(page.get_by_text("cut off")).to_be_visible()

"""Living in the dashboard: comparing, drilling, taking away, saving, noting, and without a mouse."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SignedIn
from tests.browser.looking import phone, settled
from tests.conftest import run_mdash

pytestmark = pytest.mark.browser

PAGES = ("", "conversion", "failures", "latency", "trades", "alerts", "data", "definitions")


def taken(page: Page, menu: str, label: str, folder: Path) -> Path:
    """The file that a menu's entry gives."""
    page.locator(f".st-key-menu-{menu} button").first.click()
    with page.expect_download(timeout=60_000) as waiting:
        page.get_by_role("button", name=label, exact=True).last.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    page.keyboard.press("Escape")
    return path


def metric(home: Path, name: str, path: Path, *more: str) -> list[dict[str, Any]]:
    """The same question asked on the command line; the file's name tells the period."""
    first, last = re.findall(r"\d{4}-\d\d-\d\d", path.name)
    ran = run_mdash(home, "metric", name, "--from", first, "--to", last, "--format", "json", *more)
    rows: list[dict[str, Any]] = ran.json()["rows"]
    return rows


def test_what_is_taken_away_is_what_is_shown(
    demo: str, demo_home: Path, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{demo}/conversion?lang=en&client=ios")
    settled(page)
    table = taken(page, "table-conversion-by-product", "CSV", tmp_path)
    text = table.read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO("".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("#")
    ))))
    expected = metric(demo_home, "conversion", table, "--by", "product", "--where", "client=ios")
    assert [(row["product"], int(row["orders"]), int(row["paid"])) for row in rows] == [
        (row["product"], row["orders"], row["paid"]) for row in expected
    ]
    assert "ios" in "".join(line for line in text.splitlines() if line.startswith("#"))
    workbook = taken(page, "table-conversion-by-product", "XLSX", tmp_path)
    assert workbook.read_bytes()[:2] == b"PK"
    picture = taken(page, "funnel", "PNG", tmp_path)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    drawing = taken(page, "funnel", "SVG", tmp_path)
    created = metric(demo_home, "conversion", drawing, "--where", "client=ios")[0]["orders"]
    assert f"{created:,}" in drawing.read_text("utf-8")


def test_a_page_leaves_as_pdf(demo: str, page: Page, tmp_path: Path) -> None:
    page.goto(f"{demo}/failures?lang=zh")
    settled(page)
    with page.expect_download(timeout=90_000) as waiting:
        page.get_by_role("button", name="将本页保存为 PDF").click()
    path = tmp_path / "page.pdf"
    waiting.value.save_as(path)
    assert path.read_bytes()[:5] == b"%PDF-"


def test_a_reason_leads_to_its_trades(demo: str, page: Page) -> None:
    page.goto(f"{demo}/?lang=en")
    settled(page)
    page.get_by_role("link", name="All reasons").click()
    expect(page.locator("h1")).to_have_text("Failures", timeout=20_000)
    settled(page)
    page.goto(f"{demo}/trades?lang=en&reason=insufficient_funds")
    settled(page)
    expect(page.get_by_text("Only Reason: insufficient funds")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_text("Only Reason: insufficient funds")).to_have_count(0, timeout=20_000)


def test_periods_compare_and_the_link_says_so(demo: str, page: Page) -> None:
    page.goto(f"{demo}/conversion?lang=en")
    settled(page)
    expect(page.get_by_text("Why order conversion moved")).to_be_visible(timeout=20_000)
    page.get_by_role("radio", name="7 d", exact=True).click()
    page.wait_for_url(re.compile("days="), timeout=20_000)
    page.goto(f"{demo}/conversion?lang=en&compare=none")
    settled(page)
    expect(page.get_by_text("Why order conversion moved")).to_have_count(0, timeout=20_000)


def test_a_view_is_saved_shared_and_forgotten(demo: str, page: Page) -> None:
    page.goto(f"{demo}/failures?lang=en&client=android")
    settled(page)
    page.get_by_text("Saved views").click()
    page.get_by_label("Name of this view").fill("Android failures")
    page.get_by_role("button", name="Save this view").click()
    link = page.get_by_role("link", name="Android failures")
    expect(link).to_be_visible(timeout=20_000)
    page.goto(f"{demo}/?lang=en")
    settled(page)
    page.get_by_text("Saved views").click()
    page.get_by_role("link", name="Android failures").click()
    expect(page.get_by_text("Only Client: android")).to_be_visible(timeout=20_000)
    page.get_by_text("Saved views").click()
    page.locator('[class*="st-key-forget-"] button').first.click()
    expect(page.get_by_role("link", name="Android failures")).to_have_count(0, timeout=20_000)


def test_a_note_stands_on_the_chart(demo: str, page: Page) -> None:
    page.goto(f"{demo}/?lang=en")
    settled(page)
    page.get_by_role("button", name="Notes and marks").click()
    page.get_by_label("Your note", exact=True).fill("New checkout released")
    page.get_by_role("button", name="Add the note").click()
    expect(page.get_by_text("✎").first).to_be_visible(timeout=20_000)


def test_an_alert_is_tried_before_it_is_saved(demo: str, page: Page) -> None:
    page.goto(f"{demo}/alerts?lang=en")
    settled(page)
    page.get_by_text("success-rate · payment success fell").click()
    page.locator(".st-key-try-success-rate button").click()
    expect(page.get_by_text(re.compile(r"It would have fired \d+ times in 90 days"))).to_be_visible(
        timeout=60_000
    )


def test_the_keyboard_reaches_filters_and_pages(demo: str, page: Page) -> None:
    page.goto(f"{demo}/?lang=en")
    settled(page)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(
            "document.activeElement.innerText || document.activeElement.ariaLabel || ''"
        ).strip()[:40])
    assert any("Conversion" in text for text in reached), reached
    assert any("Filters" in text for text in reached), reached


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(demo: str, page: Page, name: str) -> None:
    page.goto(f"{demo}/{name}?lang=en")
    settled(page)
    page.wait_for_timeout(500)
    # The small lines in cards are Vega's, beside the number that they decorate.
    found = Axe().run(page, {"exclude": [["[data-testid='stMetric'] svg"]]}).response["violations"]
    grave = [
        {"id": item["id"], "nodes": [node["html"][:160] for node in item["nodes"][:3]]}
        for item in found
        if item["impact"] in ("serious", "critical")
    ]
    assert grave == [], json.dumps(grave, indent=1)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_phone_scrolls_down_only(
    demo: str, browser: Browser, signed_in: SignedIn, language: str
) -> None:
    context = phone(browser, signed_in("admin"))
    page = context.new_page()
    for name in PAGES:
        page.goto(f"{demo}/{name}?lang={language}")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        wide = page.evaluate(
            "[...document.querySelectorAll('[data-testid=stMain] *')].filter(e =>"
            " e.getBoundingClientRect().right > 391 && !e.closest('[data-testid=stDataFrame]')"
            " && !e.closest('svg')).map(e => e.className.toString().slice(0, 60)).slice(0, 3)"
        )
        assert wide == [], name
    context.close()

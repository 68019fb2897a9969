"""Money given back in the browser: two people, one refund, a gateway that dies, and no mouse."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import SignedIn
from tests.browser.looking import phone, settled, watched
from tests.conftest import run_mdash

pytestmark = pytest.mark.browser

PATIENT = 60_000
"""Milliseconds: the machine may be busy with other tests."""
REFUND = "alipay.trade.refund"


class Tab:
    """One person's tab at the desk."""

    def __init__(self, demo: str, page: Page) -> None:
        self.demo, self.page = demo, page

    def open(self, path: str) -> None:
        self.page.goto(f"{self.demo}/{path}")
        settled(self.page)

    def trade(self, order_no: str, language: str = "en") -> None:
        self.open(f"trades?lang={language}&id={order_no}")
        expect(self.page.get_by_label("Amount (yuan)")).to_be_visible(timeout=PATIENT)

    def check(self, amount: str = "") -> None:
        """Fill the form and have it checked."""
        if amount:
            self.page.get_by_label("Amount (yuan)").fill(amount)
        self.page.get_by_role("button", name="Check the refund").click()
        expect(self.confirm).to_be_visible(timeout=PATIENT)

    @property
    def confirm(self) -> Locator:
        return self.page.locator(".st-key-make-refund button")

    def says(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENT)


@pytest.fixture
def sit(browser: Browser, demo: str, signed_in: SignedIn) -> Iterator[Callable[[str], Tab]]:
    """A tab of somebody with a role; the test fails if a console said an error."""
    contexts: list[BrowserContext] = []
    said: list[list[str]] = []

    def sit(role: str) -> Tab:
        context = browser.new_context(
            viewport={"width": 1360, "height": 900}, storage_state=signed_in(role)
        )
        contexts.append(context)
        page, errors = watched(context)
        said.append(errors)
        return Tab(demo, page)

    yield sit
    for context in contexts:
        context.close()
    assert [error for errors in said for error in errors] == []


@pytest.fixture(scope="module")
def orders(demo: str, demo_home: Path) -> Callable[[str], str]:
    """Hands out paid orders that nobody refunded, each once: `large` or `small`."""
    bound = {"large": "> 10000", "small": "between 500 and 9900"}
    left = {
        kind: [row["order_no"] for row in run_mdash(
            demo_home, "sql", "select order_no from trades where outcome = 'paid' and"
            f" channel = 'alipay' and refunded_fen = 0 and amount_fen {size}"
            " order by created_at desc limit 20",
            "--format", "json",
        ).json()["rows"]]
        for kind, size in bound.items()
    }
    return lambda kind: str(left[kind].pop(0))


@pytest.fixture
def gateway(demo: str, demo_home: Path) -> Iterator[Callable[..., Any]]:
    """The stand-in gateway's controls: `gateway("misbehave", how=…)`, `gateway("trades/M1")`."""
    text = (demo_home / "mdash.toml").read_text("utf-8")
    found = re.search(r'gateway_url = "(http://[^/"]+)', text)
    assert found

    def control(what: str, **document: Any) -> Any:
        request = urllib.request.Request(
            f"{found[1]}/control/{what}",
            data=None if what.startswith("trades") else json.dumps(document).encode(),
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    yield control
    control("behave")


def test_a_refund_is_asked_approved_by_a_second_person_and_done(
    sit: Callable[[str], Tab], orders: Callable[[str], str], gateway: Callable[..., Any]
) -> None:
    order_no = orders("large")
    asker, approver = sit("operator"), sit("approver")
    asker.open("trades?lang=en")
    box = asker.page.get_by_label("Find a trade")
    box.fill(order_no)
    box.press("Enter")
    expect(asker.page.get_by_label("Amount (yuan)")).to_be_visible(timeout=PATIENT)
    asker.page.get_by_role("button", name=re.compile("Ask the channel now")).click()
    asker.says(re.compile(f"{order_no}: paid"))
    asker.check()
    asker.says("A second person must approve before anything is sent.")
    asker.confirm.click()
    asker.says(re.compile("waiting for a second person's approval"))
    assert gateway(f"trades/{order_no}")["refunded_fen"] == 0

    asker.open("refunds?lang=en&part=approve")
    row = asker.page.locator(f".st-key-approve-{order_no}-alipay-R1")
    expect(row.get_by_text(re.compile("does not have the right"))).to_be_visible(timeout=PATIENT)
    expect(row.get_by_role("button", name=re.compile("^check Approve|^Approve"))).to_have_count(0)

    approver.open("refunds?lang=en&part=approve")
    row = approver.page.locator(f".st-key-approve-{order_no}-alipay-R1")
    expect(row.get_by_text("Asked for by operator")).to_be_visible(timeout=PATIENT)
    row.get_by_role("button", name=re.compile("Approve ¥")).click()
    approver.says(re.compile(r"¥[\d,.]+ refunded\."))
    trade = gateway(f"trades/{order_no}")
    assert trade["refunds"] == {f"{order_no}-alipay-R1": trade["amount_fen"]}

    asker.open(f"trades?lang=en&id={order_no}")
    asker.says(re.compile(r"¥[\d,.]+ refunded\."))
    asker.says("Approved by approver.")


def test_the_gateway_dies_and_the_refund_is_unknown_until_it_is_back(
    sit: Callable[[str], Tab], orders: Callable[[str], str], gateway: Callable[..., Any]
) -> None:
    order_no = orders("small")
    tab = sit("operator")
    tab.trade(order_no)
    tab.check()
    gateway("misbehave", how="reset_after", method=REFUND, order=order_no)
    gateway("misbehave", how="reset_before", times=None)
    tab.confirm.click()
    tab.says(re.compile("not known yet whether it was refunded"))
    tab.says(re.compile("The channel is asked again by itself"))
    expect(tab.confirm).to_have_count(0)
    tab.page.reload()
    settled(tab.page)
    tab.says(re.compile("not known yet whether it was refunded"))
    tab.open("refunds?lang=en&part=unknown")
    expect(tab.page.get_by_test_id("stDataFrame")).to_be_visible(timeout=PATIENT)
    tab.open(f"trades?lang=en&id={order_no}")
    gateway("behave")
    done = tab.page.get_by_text(re.compile(r"¥[\d,.]+ refunded\."))
    again = tab.page.get_by_role("button", name="Ask again now")
    for _ in range(20):
        if again.count():
            again.first.click(timeout=PATIENT)
        try:
            expect(done.first).to_be_visible(timeout=6_000)
            break
        except AssertionError:
            continue
    expect(done.first).to_be_visible(timeout=PATIENT)
    tab.says(re.compile("the channel's own answer proves it"))
    trade = gateway(f"trades/{order_no}")
    assert trade["refunds"] == {f"{order_no}-alipay-R1": trade["amount_fen"]}


def test_a_double_click_a_reload_and_a_second_tab_make_one_refund(
    sit: Callable[[str], Tab], orders: Callable[[str], str], gateway: Callable[..., Any]
) -> None:
    order_no = orders("small")
    first, second = sit("operator"), sit("operator")
    for tab in (first, second):
        tab.trade(order_no)
        tab.check("2.00")
    first.confirm.dblclick()
    first.page.reload()
    second.confirm.click()
    for tab in (first, second):
        tab.says(re.compile(r"¥2\.00 refunded\."))
    assert gateway(f"trades/{order_no}")["refunds"] == {f"{order_no}-alipay-R1": 200}


def test_a_file_of_refunds_is_looked_at_confirmed_and_never_made_twice(
    sit: Callable[[str], Tab], orders: Callable[[str], str], gateway: Callable[..., Any],
    tmp_path: Path,
) -> None:
    good = [orders("small"), orders("small")]
    file = tmp_path / "退款.csv"
    lines = ["商户订单号,退款金额,退款原因", *map(",".join, (
        (good[0], "1.00", "缺货"), (good[1], "2.50", "缺货"), ("M404", "1", "缺货"),
    ))]
    file.write_text("\n".join(lines), "utf-8-sig")
    tab = sit("operator")
    for name in ("退款.csv", "again.csv"):
        file = file.rename(tmp_path / name)
        tab.open("refunds?lang=en&part=file")
        tab.page.locator('input[type="file"]').set_input_files(file)
        tab.says(re.compile("of 3 lines can be refunded"))
        run = tab.page.locator(".st-key-run-batch button")
        if name == "退款.csv":
            expect(run).to_have_text(re.compile(r"Ask for 2 refunds, ¥3\.50 together"))
            run.click()
            tab.says("What became of each line")
    tab.says(re.compile("2 lines of this file were asked for before"))
    expect(run).to_be_disabled()
    made = [gateway(f"trades/{order_no}")["refunds"] for order_no in good]
    assert [list(item.values()) for item in made] == [[100], [250]]


def tabbed_to(page: Page, script: str) -> None:
    """Press Tab until the focused element is the wanted one."""
    for _ in range(80):
        if page.evaluate(f"(() => {{ const e = document.activeElement; return {script}; }})()"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"never reached: {script}")


def test_the_keyboard_alone_goes_from_search_to_refund_and_takes_it_back(
    sit: Callable[[str], Tab], orders: Callable[[str], str], gateway: Callable[..., Any]
) -> None:
    order_no = orders("small")
    tab = sit("operator")
    page = tab.page
    tab.open("trades?lang=en")
    tabbed_to(page, "e.ariaLabel === 'Find a trade'")
    page.keyboard.type(order_no)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Amount (yuan)")).to_be_visible(timeout=PATIENT)
    settled(page)
    tabbed_to(page, "e.ariaLabel === 'Amount (yuan)'")
    page.keyboard.press("Control+A")
    page.keyboard.type("1.50")
    page.keyboard.press("Enter")
    expect(tab.confirm).to_be_visible(timeout=PATIENT)
    settled(page)
    tabbed_to(page, "e.innerText === 'Refund ¥1.50'")
    page.keyboard.press("Enter")
    tab.says(re.compile("will be sent in"))
    tabbed_to(page, "(e.innerText || '').endsWith('Take back')")
    page.keyboard.press("Enter")
    tab.says("operator withdrew it.")
    assert gateway(f"trades/{order_no}")["refunds"] == {}


@pytest.mark.parametrize("part", ["all", "approve", "file", "twice"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_refunds_fit_the_phone_in_the_dark(
    demo: str, browser: Browser, signed_in: SignedIn, part: str, language: str, shots: Path | None
) -> None:
    context = phone(browser, signed_in("approver"))
    tab = Tab(demo, context.new_page())
    tab.open(f"refunds?lang={language}&part={part}")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    if shots:
        tab.page.screenshot(path=shots / f"phone-refunds-{part}-{language}.png")
    context.close()


@pytest.mark.parametrize("part", ["all", "approve", "file"])
def test_axe_finds_nothing_serious_on_refunds(sit: Callable[[str], Tab], part: str) -> None:
    tab = sit("approver")
    tab.open(f"refunds?lang=en&part={part}")
    tab.page.wait_for_timeout(500)
    found = Axe().run(tab.page).response["violations"]
    assert [item["id"] for item in found if item["impact"] in ("serious", "critical")] == []

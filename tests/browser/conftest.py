"""A demo started from an empty folder as a new user would, and Chromium to look at it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState

from tests.browser.looking import watched


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that the demo makes for itself."""
    return tmp_path_factory.mktemp("demo") / "home"


@pytest.fixture(scope="session")
def demo(demo_home: Path) -> Iterator[str]:
    folder = demo_home.parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", "--home", str(demo_home), "demo", "--port",
         str(port), "--no-browser", "--orders", "3000"],
        env=os.environ | {"HOME": str(folder)},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1_200):
            assert process.poll() is None, "the demo ended by itself"
            try:
                with urllib.request.urlopen(f"{address}/healthz", timeout=1) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.25)
        else:
            raise AssertionError("the demo did not start")
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


SignedIn = Callable[[str], StorageState]


@pytest.fixture(scope="session")
def signed_in(browser: Browser, demo: str) -> SignedIn:
    """What a browser keeps after the demo's button of a role was clicked; for `new_context`."""

    @cache
    def sign_in(role: str) -> StorageState:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{demo}/login?lang=en")
        page.get_by_role("button", name=f"Sign in as {role}", exact=True).click()
        page.wait_for_url(re.compile(r"/(\?|$)"))
        state = context.storage_state()
        context.close()
        return state

    return sign_in


@pytest.fixture(scope="session")
def shots() -> Path | None:
    """Where screenshots go when MDASH_SHOTS names a folder."""
    named = os.environ.get("MDASH_SHOTS")
    return Path(named) if named else None


@pytest.fixture
def page(browser: Browser, signed_in: SignedIn) -> Iterator[Page]:
    """The administrator's desktop page; the test fails if the console said an error."""
    context = browser.new_context(
        viewport={"width": 1360, "height": 900}, accept_downloads=True,
        storage_state=signed_in("admin"),
    )
    page, errors = watched(context)
    yield page
    context.close()
    assert errors == []

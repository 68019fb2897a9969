"""The house's sign-in service lets in whom an administrator gave an account, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from dashboard.identity.accounts import Accounts
from dashboard.identity.service import account_of
from dashboard.operations.ledger import Ledger
from loaders.errors import Forbidden
from loaders.settings import load_settings
from tests.identity.conftest import PASSWORD
from tests.identity.provider import CLIENT, SECRET, Provider, Serving
from tests.operations.conftest import free_port

VERA = {"sub": "v-1", "email": "Vera@shop.example", "email_verified": True}


def said(**claims: object) -> dict[str, object]:
    return {"iss": "https://id.example", "iat": datetime.now(UTC).timestamp(), **VERA, **claims}


def test_an_account_is_found_by_verified_mail_and_then_by_subject(
    accounts: Accounts, ledger: Ledger
) -> None:
    boss = accounts.person("admin")
    accounts.set_email(boss, "viewer", "vera@SHOP.example")
    strangers = (
        None, {}, said(email="eve@shop.example"), said(email_verified=False),
        said(email_verified="true"), said(sub=None), said(iat=None),
        said(iat=(datetime.now(UTC) - timedelta(days=1)).timestamp()), said(email=None),
    )
    for claims in strangers:
        with pytest.raises(Forbidden):
            account_of(ledger, claims)
    assert account_of(ledger, said()) == "viewer"
    assert account_of(ledger, said(email="new@shop.example", email_verified=False)) == "viewer"
    for other in (said(sub="v-2"), said(iss="https://other.example")):
        with pytest.raises(Forbidden):
            account_of(ledger, other)
    accounts.disable(boss, "viewer")
    with pytest.raises(Forbidden):
        account_of(ledger, said())


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    with Serving(made):
        yield made


@pytest.fixture
def served(tmp_path: Path, provider: Provider) -> Iterator[str]:
    """A dashboard whose people come by the provider."""
    home, address = tmp_path / "home", f"http://127.0.0.1:{free_port()}"
    home.mkdir()
    (home / "oidc.secret").write_text(SECRET, "utf-8")
    (home / "mdash.toml").write_text(
        f'[shop]\nlanguage = "en"\ndashboard_url = "{address}"\n[identity.oidc]\n'
        f'client_id = "{CLIENT}"\nclient_secret_file = "oidc.secret"\nlabel = "Our house"\n'
        f'server_metadata_url = "{provider.url}/.well-known/openid-configuration"\n', "utf-8",
    )
    ledger = Ledger(load_settings(home))
    accounts = Accounts(ledger)
    accounts.add(None, "boss", "admin", PASSWORD)
    accounts.add(accounts.person("boss"), "vera", "viewer")
    accounts.set_email(accounts.person("boss"), "vera", "vera@shop.example")
    ledger.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", "--home", str(home), "serve", "--port",
         address.rpartition(":")[2]], env=dict(os.environ), stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                if httpx.get(f"{address}/_stcore/health").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.slow
def test_signing_in_by_the_service(served: str, provider: Provider) -> None:
    provider.person = dict(VERA)
    with httpx.Client(base_url=served, follow_redirects=True, timeout=30) as browser:
        page = browser.get("/failures?lang=en")
        assert "Sign in with Our house" in page.text
        done = browser.get("/oidc?lang=en&next=%2Ffailures%3Flang%3Den")
        assert str(done.url) == f"{served}/failures?lang=en"
        assert "streamlit" in done.text.lower()
        assert f"mdash_{served.rpartition(':')[2]}" in browser.cookies
        assert not {name for name in browser.cookies if name.startswith("_streamlit_user")}
    provider.person = VERA | {"sub": "e-1", "email": "eve@shop.example"}
    with httpx.Client(base_url=served, follow_redirects=True, timeout=30) as browser:
        refused = browser.get("/oidc?lang=en")
        assert refused.status_code == 403
        assert "Ask an administrator" in refused.text
        assert browser.get("/failures").url.path == "/login"
    with httpx.Client(base_url=served, follow_redirects=True, timeout=30) as browser:
        assert browser.get("/oauth2callback?code=x&state=y").status_code in (200, 403)
        assert browser.get("/failures").url.path == "/login"

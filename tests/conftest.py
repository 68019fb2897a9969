"""Homes, keys and a small sample merchant for the tests."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from filelock import FileLock

from dashboard.cli import main
from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.warehouse import Warehouse
from sample_data.files import APP_ID, SELLER_ID, write_files
from sample_data.merchant import Merchant, Order
from sample_data.wechat_files import API_KEY, MCHID, SERIAL

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SHARED = Path(__file__).resolve().parents[2] / "shared"
LAST_DAY = date(2026, 10, 31)


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON document of standard output."""
        return json.loads(self.out)


Mdash = Callable[..., Ran]


def run_mdash(home: Path, *arguments: str) -> Ran:
    """Run `mdash` in this process, as the console script does."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["mdash", "--home", str(home), *arguments]
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return Ran(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """A drawn screen takes the place of `__main__`, which processes started later would run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[..., Path]:
    """`made_once(name, make)`: the path `make(path)` has made, by the first process that asks."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent

    def made(name: str, make: Callable[[Path], object]) -> Path:
        path, done = folder / name, folder / f"{name}.made"
        with FileLock(folder / f"{name}.lock"):
            if not done.exists():
                make(path)
                done.touch()
        return path

    return made


@pytest.fixture(scope="session")
def channel_key(made_once: Callable[..., Path]) -> bytes:
    """The private key with which the stand-in channel signs."""
    def make(path: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.write_bytes(key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ))

    return made_once("channel_key.pem", make).read_bytes()


def make_home(home: Path, channel_key: bytes, extra: str = "", language: str = "en") -> Path:
    """A home, new or a copy, with settings and the channel's public key."""
    (home / "keys").mkdir(parents=True, exist_ok=True)
    private = serialization.load_pem_private_key(channel_key, password=None)
    (home / "keys" / "alipay_public_key.pem").write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (home / "mdash.toml").write_text(
        f'[shop]\nlanguage = "{language}"\n{extra}\n[channels.alipay]\napp_id = "{APP_ID}"\n'
        f'seller_id = "{SELLER_ID}"\nalipay_public_key_file = "keys/alipay_public_key.pem"\n',
        "utf-8",
    )
    return home


def take_wechat(home: Path, channel_key: bytes) -> None:
    """Let a home take WeChat Pay's messages, signed with the stand-in channel's key."""
    private = serialization.load_pem_private_key(channel_key, password=None)
    (home / "keys" / "wechat.pem").write_bytes(private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ))
    (home / "keys" / "api_key.txt").write_text(API_KEY, "utf-8")
    with (home / "mdash.toml").open("a", encoding="utf-8") as file:
        file.write(
            f'[channels.wechatpay]\nmchid = "{MCHID}"\nplatform_public_key_file = "keys/wechat.pem"\n'
            f'platform_serial = "{SERIAL}"\napi_v3_key_file = "keys/api_key.txt"\n'
        )


def make_lake(home: Path) -> None:
    """Make a home's lake."""
    with Warehouse(load_settings(home), retry_ladders()):
        pass


@pytest.fixture(scope="session")
def fresh_home(made_once: Callable[..., Path], channel_key: bytes) -> Path:
    """A home whose lake was made and never loaded into."""
    return made_once("fresh", lambda home: make_lake(make_home(home, channel_key)))


@pytest.fixture
def home(tmp_path: Path, fresh_home: Path) -> Path:
    """An empty home of a configured shop: a copy, as if somebody had moved it."""
    return Path(shutil.copytree(fresh_home, tmp_path / "home"))


@pytest.fixture
def mdash(home: Path) -> Mdash:
    """`mdash` in that home."""
    return lambda *arguments: run_mdash(home, *arguments)


@dataclass(frozen=True)
class Sample:
    """The sample merchant: its files, its true orders, and a home that has loaded them."""

    merchant: Merchant
    orders: Sequence[Order]
    folder: Path
    home: Path

    def mdash(self, *arguments: str) -> Ran:
        """`mdash` in the loaded home (read only)."""
        return run_mdash(self.home, *arguments)

    def metric(self, name: str, *arguments: str) -> dict[str, Any]:
        """A metric's JSON over the whole of the merchant's time unless told otherwise."""
        period = () if "--from" in arguments else (
            "--from", self.merchant.first_day.isoformat(), "--to", "2026-12-31",
        )
        ran = self.mdash("metric", name, *period, *arguments, "--format", "json")
        assert ran.code == 0, ran.err
        found: dict[str, Any] = ran.json()
        return found


@pytest.fixture(scope="session")
def sample(made_once: Callable[..., Path], fresh_home: Path, channel_key: bytes) -> Sample:
    """4,000 orders, all files written and loaded once. Tests must not change this home."""
    merchant = Merchant(seed=7, orders=4_000, last_day=LAST_DAY)

    def make(folder: Path) -> None:
        write_files(merchant, folder / "files", channel_key, daily_from=LAST_DAY - timedelta(days=2))
        home = Path(shutil.copytree(fresh_home, folder / "home"))
        ran = run_mdash(home, "load", str(folder / "files"), "--json")
        assert ran.code == 0, ran.err

    folder = made_once("sample", make)
    return Sample(merchant, list(merchant.orders()), folder / "files", folder / "home")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes what was read; a person reads the difference."""
    parser.addoption("--update-golden", action="store_true", default=False)


CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, one for all tests that look: two of them cannot be driven at once."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "Chromium is not installed"
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield started
        started.close()

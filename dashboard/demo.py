"""The demo's home: the sample merchant's files, made and loaded once."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from loaders.errors import ConfigurationError
from loaders.load import load_paths
from loaders.settings import Settings, load_settings

_TOML = """[shop]
name = "示例商店"
language = "{language}"

[channels.alipay]
app_id = "{app_id}"
seller_id = "{seller_id}"
alipay_public_key_file = "keys/alipay_public_key.pem"
"""


def prepare(home: Path, orders: int, language: str = "zh") -> Settings:
    """A home full of the sample merchant's data; one that is full already is used as it is."""
    settings = load_settings(home)
    if (home / "demo-ready").exists():
        return settings
    if (home / "mdash.toml").exists():
        raise ConfigurationError(
            "{home} is a home of your own; the demo needs another one: give --home.",
            home=str(home),
        )
    _discard(home)
    key = _make_home(home, language)
    settings = load_settings(home)
    folder = Path(mkdtemp(prefix="sample-", dir=home))
    try:
        _fill(settings, folder, key, orders)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    (home / "demo-ready").write_text("", "utf-8")
    return settings


def _discard(home: Path) -> None:
    """Remove what a demo that was interrupted left in its own home."""
    if (home / "demo-started").exists():
        shutil.rmtree(home)


def _make_home(home: Path, language: str) -> bytes:
    """Settings and keys of the demo. Returns the stand-in channel's private key."""
    from sample_data.files import APP_ID, SELLER_ID

    (home / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / "demo-started").write_text("", "utf-8")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (home / "keys" / "alipay_public_key.pem").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (home / "mdash.toml").write_text(
        _TOML.format(language=language, app_id=APP_ID, seller_id=SELLER_ID), "utf-8"
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _fill(settings: Settings, folder: Path, key: bytes, orders: int) -> None:
    from sample_data.files import write_files
    from sample_data.merchant import Merchant

    with click.progressbar(length=100, label="sample merchant", file=sys.stderr) as bar:
        shown = 0

        def tell(share: float) -> None:
            nonlocal shown
            bar.update(int(share * 100) - shown)
            shown = int(share * 100)

        write_files(
            Merchant(orders=orders, last_day=_yesterday()), folder, key,
            lambda share: tell(0.4 * share),
        )
        reports = load_paths(
            settings,
            [folder / "checkout", folder / "notifications", folder / "bills"],
            lambda done, total, _: tell(0.4 + 0.6 * done / total),
        )
    refused = [report for report in reports if report.status == "refused"]
    if refused:
        raise ConfigurationError(
            "The sample merchant could not be loaded: {why}", why=str(refused[0].template)
        )


def _yesterday() -> date:
    return (datetime.now(UTC) + timedelta(hours=8)).date() - timedelta(days=1)

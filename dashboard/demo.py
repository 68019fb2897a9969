"""The demo's home: the sample merchant's files, made and loaded once."""

from __future__ import annotations

import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import click

from dashboard.identity.demo import mark
from dashboard.sandbox import TOML, listen, yesterday
from loaders.errors import ConfigurationError
from loaders.load import load_paths
from loaders.settings import Settings, load_settings

if TYPE_CHECKING:
    from sample_data.merchant import Merchant

_SHOP = """[shop]
name = "示例商店"
language = "{language}"

[refunds]
approval_above = "100.00"

"""
_TERMS = """fee_rate = "0.006"
"""
_PORT = 8600


def prepare(home: Path, orders: int, language: str = "zh") -> Settings:
    """A home full of the sample merchant's data; one that is full already is used as it is."""
    from sample_data.merchant import Merchant

    settings = load_settings(home)
    if (home / "demo-ready").exists() and (home / "sandbox" / "wechat").exists():
        if (home / "demo-started").exists():
            mark(settings)
        return settings
    if (home / "mdash.toml").exists() and not (home / "demo-started").exists():
        raise ConfigurationError(
            "{home} is a home of your own; the demo needs another one: give --home.",
            home=str(home),
        )
    _discard(home)
    last_day = yesterday()
    key, second = _make_home(home, language, orders, last_day)
    settings = load_settings(home)
    folder = Path(mkdtemp(prefix="sample-", dir=home))
    try:
        second(folder / "wechat")
        _fill(settings, folder, key, Merchant(orders=orders, last_day=last_day))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    mark(settings)
    return settings


def _discard(home: Path) -> None:
    """Remove what a demo that was interrupted, or an older one, left in its own home."""
    if (home / "demo-started").exists():
        shutil.rmtree(home)


def _make_home(
    home: Path, language: str, orders: int, last_day: date
) -> tuple[bytes, Callable[[Path], object]]:
    """Settings and keys of the demo: the stand-in's private key, and what writes the other's files."""
    from sample_data.gateway.keys import CHANNEL_PRIVATE
    from sample_data.gateway.sandbox import FOLDER, open_sandbox, write_description
    from sample_data.gateway.wechat import sandbox as wechat
    from sample_data.wechatpay_shop import write_shop

    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / "demo-started").write_text("", "utf-8")
    folder = home / FOLDER
    gateway = open_sandbox(folder, orders, last_day, has_own_orders=False)
    gateway.base_url = f"http://127.0.0.1:{_PORT}"
    document = write_description(gateway, folder, home)
    platform, shop = wechat.open_platform(home / wechat.FOLDER, orders, last_day)
    (home / "mdash.toml").write_text(
        _SHOP.format(language=language) + TOML.format(**document) + _TERMS
        + wechat.settings_of(platform) + _TERMS,
        "utf-8",
    )
    return (folder / CHANNEL_PRIVATE).read_bytes(), lambda folder: write_shop(
        shop, folder, platform.keys.platform_private
    )


@contextmanager
def beside_gateway(settings: Settings, port: int) -> Iterator[Settings]:
    """The demo's gateways, answering while the block runs; they notify the dashboard on `port`."""
    from sample_data.gateway.gateway import Manners
    from sample_data.gateway.sandbox import FOLDER, open_sandbox, write_description
    from sample_data.gateway.server import Answering, Serving
    from sample_data.gateway.wechat import sandbox as wechat
    from sample_data.gateway.wechat.application import application

    home = settings.home
    sock, other = _free_socket(_PORT), _free_socket(_PORT + 1)
    manners = Manners(notify_url=f"http://127.0.0.1:{port}/notify/alipay")
    gateway = open_sandbox(
        home / FOLDER, 0, yesterday(), manners, has_own_orders=False
    )
    platform, _ = wechat.open_platform(home / wechat.FOLDER, 0, yesterday())
    platform.manners.notify_url = f"http://127.0.0.1:{port}/notify/wechatpay"
    with Serving(gateway, sock) as serving, Answering(platform, application, other):
        write_description(gateway, home / FOLDER, home)
        _point_to(home / "mdash.toml", gateway_url=serving.url, base_url=platform.base_url)
        yield load_settings(home)


def _free_socket(port: int) -> socket.socket:
    """The usual port, or any other if that one is taken."""
    try:
        return listen(port)
    except ConfigurationError:
        return listen(0)


def _point_to(path: Path, **urls: str) -> None:
    text = changed = path.read_text("utf-8")
    for name, url in urls.items():
        changed = re.sub(rf'(?m)^{name} = ".*"$', f'{name} = "{url}"', changed)
    if changed != text:
        path.write_text(changed, "utf-8")


def _fill(settings: Settings, folder: Path, key: bytes, merchant: Merchant) -> None:
    from sample_data.files import write_files

    with click.progressbar(length=100, label="sample merchant", file=sys.stderr) as bar:
        shown = 0

        def tell(share: float) -> None:
            nonlocal shown
            bar.update(int(share * 100) - shown)
            shown = int(share * 100)

        write_files(
            merchant, folder, key,
            lambda share: tell(0.4 * share),
            is_broken=True,
        )
        reports = load_paths(
            settings,
            [folder / "checkout", folder / "notifications", folder / "bills",
             folder / "wechat"],
            lambda done, total, _: tell(0.4 + 0.6 * done / total),
        )
    refused = [report for report in reports if report.status == "refused"]
    if refused:
        raise ConfigurationError(
            "The sample merchant could not be loaded: {why}", why=str(refused[0].template)
        )

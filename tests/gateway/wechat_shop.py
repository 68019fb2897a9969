"""A shop whose home asks WeChat Pay's stand-in over a loopback socket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from loaders.settings import Settings, load_settings
from sample_data.gateway.server import Answering
from sample_data.gateway.wechat.application import application
from sample_data.gateway.wechat.books import Refund, Trade
from sample_data.gateway.wechat.keys import (
    API_KEY_FILE,
    MERCHANT_KEY,
    PLATFORM_PUBLIC,
    make_platform_keys,
)
from sample_data.gateway.wechat.platform import Platform
from sample_data.wechat_files import APPID, MCHID, SERIAL
from tests.conftest import Ran, run_mdash


@dataclass
class WechatShop:
    """A home, and the platform it asks."""

    home: Path
    platform: Platform

    @property
    def settings(self) -> Settings:
        """The home's settings, read anew."""
        return load_settings(self.home)

    def mdash(self, *arguments: str) -> Ran:
        """`mdash` in the home."""
        return run_mdash(self.home, *arguments)

    def placed(self, order_no: str, at: datetime, amount_fen: int = 8888) -> Trade:
        """An order at the platform."""
        return self.platform.books.place(Trade(order_no, amount_fen, at.replace(microsecond=0)))

    def paid(self, order_no: str, at: datetime, amount_fen: int = 8888) -> Trade:
        """A trade paid at an instant of China time."""
        trade = self.placed(order_no, at, amount_fen)
        self.platform.books.pay(trade, at)
        return trade

    def refunded(self, trade: Trade, number: str, amount_fen: int, after: timedelta) -> None:
        """Money given back some time after the payment."""
        assert trade.paid_at is not None
        self.platform.books.refund(
            trade, Refund(number, amount_fen, trade.paid_at + after), trade.amount_fen
        )

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of `mdash sql`."""
        ran = self.mdash("sql", query, "--format", "json")
        assert ran.code == 0, ran.err
        found: list[dict[str, Any]] = ran.json()["rows"]
        return found


@contextmanager
def serving(folder: Path) -> Iterator[Platform]:
    """A platform that answers while the block runs; its keys are in `folder`."""
    platform = Platform(make_platform_keys(folder))
    with Answering(platform, application):
        yield platform


def settle_in(home: Path, keys: Path, platform: Platform) -> WechatShop:
    """Write the channel's settings into a home."""
    for name in (MERCHANT_KEY, PLATFORM_PUBLIC, API_KEY_FILE):
        shutil.copy(keys / name, home / "keys" / name)
    with (home / "mdash.toml").open("a", encoding="utf-8") as file:
        file.write(
            f'[channels.wechatpay]\nmchid = "{MCHID}"\nappid = "{APPID}"\n'
            f'serial_no = "{platform.keys.merchant_serial}"\nbase_url = "{platform.base_url}"\n'
            f'private_key_file = "keys/{MERCHANT_KEY}"\nplatform_serial = "{SERIAL}"\n'
            f'platform_public_key_file = "keys/{PLATFORM_PUBLIC}"\n'
            f'api_v3_key_file = "keys/{API_KEY_FILE}"\ntimeout_s = 2\n'
        )
    return WechatShop(home, platform)

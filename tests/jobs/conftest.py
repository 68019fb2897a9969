"""A shop whose home asks the stand-in gateway over a loopback socket."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loaders.settings import Settings, load_settings
from sample_data.gateway.gateway import Clock, Gateway, Manners, china_now
from sample_data.gateway.keys import APP_PRIVATE, CHANNEL_PUBLIC, GatewayKeys, make_keys
from sample_data.gateway.ledger import Ledger, Trade
from sample_data.gateway.server import Serving
from tests.conftest import Ran, run_mdash

CHINA = timedelta(hours=8)


@pytest.fixture(scope="session")
def gateway_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GatewayKeys]:
    """A folder with every key and certificate, and what the gateway holds of them."""
    folder = tmp_path_factory.mktemp("gateway-keys")
    return folder, make_keys(folder)


@pytest.fixture(scope="session")
def serving(gateway_keys: tuple[Path, GatewayKeys]) -> Iterator[Serving]:
    """A gateway that tests use in turn."""
    with Serving(Gateway(gateway_keys[1])) as found:
        yield found


@dataclass
class Shop:
    """A home, and the gateway it asks."""

    home: Path
    gateway: Gateway

    @property
    def settings(self) -> Settings:
        """The home's settings, read anew."""
        return load_settings(self.home)

    def mdash(self, *arguments: str) -> Ran:
        """`mdash` in the home."""
        return run_mdash(self.home, *arguments)

    def order(
        self, order_no: str, ago: timedelta, amount_fen: int = 8888, life_min: int = 30,
        paid_after: timedelta | None = None,
    ) -> Trade:
        """An order made some time ago: in the shop's checkout log and at the gateway."""
        at = china_now().replace(microsecond=0) - ago
        ends = at + timedelta(minutes=life_min)
        yuan = f"{amount_fen // 100}.{amount_fen % 100:02d}"
        self._log(
            {"event": "order", "order_no": order_no, "at": f"{at.isoformat()}+08:00",
             "channel": "alipay", "amount": yuan, "expires_at": f"{ends.isoformat()}+08:00"},
            {"event": "attempt", "order_no": order_no, "at": f"{at.isoformat()}+08:00",
             "method": "alipay.trade.precreate", "reached_channel": True, "code": "10000"},
        )
        if paid_after is None:
            return self.trade(order_no, at, amount_fen, ends)
        trade = self.trade(order_no, at, amount_fen)
        self.gateway.ledger.pay(trade, at + paid_after)
        return trade

    def _log(self, *events: dict[str, Any]) -> None:
        with (self.home / "checkout.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)

    def trade(
        self, order_no: str, at: datetime, amount_fen: int = 8888, ends: datetime | None = None
    ) -> Trade:
        """A trade at the gateway alone."""
        return self.gateway.ledger.place(
            Trade(order_no, "", amount_fen, at, expires_at=ends, subject="杯")
        )

    def paid(self, order_no: str, at: datetime, amount_fen: int = 8888) -> Trade:
        """A trade paid at the gateway at an instant of China time."""
        trade = self.trade(order_no, at, amount_fen)
        self.gateway.ledger.pay(trade, at)
        return trade

    def load(self) -> None:
        """Load the checkout log."""
        ran = self.mdash("load", str(self.home / "checkout.jsonl"), "--json")
        assert ran.code == 0, ran.err

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of `mdash sql`."""
        ran = self.mdash("sql", query, "--format", "json")
        assert ran.code == 0, ran.err
        found: list[dict[str, Any]] = ran.json()["rows"]
        return found

    def calls(self) -> list[dict[str, Any]]:
        """Every call in the home's logs, in order."""
        found = []
        for path in sorted((self.home / "logs").glob("*calls-*.jsonl")):
            found += [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return found


@pytest.fixture
def shop(home: Path, serving: Serving, gateway_keys: tuple[Path, GatewayKeys]) -> Shop:
    """A shop without orders."""
    gateway = serving.gateway
    fresh = Gateway(gateway_keys[1], Ledger(100_000_00), manners=Manners(), clock=Clock())
    for name in ("ledger", "plans", "manners", "clock"):
        setattr(gateway, name, getattr(fresh, name))
    for name in (APP_PRIVATE, CHANNEL_PUBLIC):
        shutil.copy(gateway_keys[0] / name, home / "keys" / name)
    with (home / "mdash.toml").open("a", encoding="utf-8") as file:
        file.write(f'app_private_key_file = "keys/{APP_PRIVATE}"\ngateway_url = "{serving.url}"\n'
                   "timeout_s = 2\n")
    return Shop(home, gateway)


def utc(at: datetime) -> datetime:
    """China time as naive UTC."""
    return at - CHINA


def days_ago(count: int) -> date:
    """A business day of the past."""
    return (datetime.now(UTC) + CHINA).date() - timedelta(days=count)

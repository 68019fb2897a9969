"""Processes that are killed at every step, and processes that race: the money still agrees."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.operations import audit
from loaders.settings import load_settings
from sample_data.gateway.gateway import Gateway, china_now
from sample_data.gateway.keys import APP_PRIVATE, CHANNEL_PUBLIC, GatewayKeys
from sample_data.gateway.ledger import Ledger as Money
from sample_data.gateway.ledger import Trade
from sample_data.gateway.server import Serving
from tests.desk.conftest import Desk, make_desk
from tests.store.test_postgres import catalog, server

__all__ = ["catalog", "server"]
REFUND = "alipay.trade.refund"
KILLED = -9
ROOT = Path(__file__).resolve().parents[2]
_TOML = """
[store]
catalog = "{catalog}"
[refunds]
approval_above = "80.00"
[channels.alipay]
app_id = "{app_id}"
seller_id = "{seller_id}"
gateway_url = "{url}/gateway.do"
app_private_key_file = "keys/app.pem"
alipay_public_key_file = "keys/alipay.pem"
timeout_s = 5
"""


class Scene:
    """A home, its gateway over a socket, and processes to be killed."""

    def __init__(self, desk: Desk, gateway: Gateway, victim: subprocess.Popen[str]) -> None:
        self.desk, self.gateway, self._victim = desk, gateway, victim

    def trade(self, order_no: str) -> Trade:
        """An order of 100 yuan, paid."""
        at = china_now().replace(microsecond=0) - timedelta(hours=1)
        trade = self.gateway.ledger.place(Trade(order_no, "", 10_000, at, subject="杯"))
        self.gateway.ledger.pay(trade, at)
        return trade

    def run(self, *acts: dict[str, Any]) -> list[int]:
        """Processes that do this at once; how each ended."""
        assert self._victim.stdin is not None
        assert self._victim.stdout is not None
        self._victim.stdin.write(json.dumps({"acts": acts}) + "\n")
        self._victim.stdin.flush()
        codes: list[int] = json.loads(self._victim.stdout.readline())
        return codes

    def settle(self) -> None:
        """Resolve, in processes of their own and two at once, until nothing is open."""
        for _ in range(20):
            assert self.run({"do": "resolve"}, {"do": "resolve"}) == [0, 0]
            if not self.desk.refunds.count_open():
                return
            time.sleep(0.01)
        raise AssertionError(self.desk.refunds.refunds())

    def agree(self, order_no: str) -> None:
        """The gateway's money and the ledger agree."""
        trade = self.gateway.ledger.order(order_no)
        assert trade is not None
        money = {item.number: item.amount_fen for item in trade.refunds}
        rows = self.desk.refunds.refunds(order_no=order_no)
        assert {item.refund_no: item.amount_fen for item in rows if item.state == "done"} == money
        assert trade.refunded_fen <= trade.amount_fen


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def scene(
    request: pytest.FixtureRequest, folder: Path, gateway_keys: tuple[Path, GatewayKeys], swift: None
) -> Iterator[Scene]:
    where = "sqlite" if request.param == "sqlite" else request.getfixturevalue("catalog")
    home = folder / "home"
    (home / "keys").mkdir(parents=True)
    shutil.copy(gateway_keys[0] / APP_PRIVATE, home / "keys" / "app.pem")
    shutil.copy(gateway_keys[0] / CHANNEL_PUBLIC, home / "keys" / "alipay.pem")
    gateway = Gateway(gateway_keys[1], Money(1_000_000_00))
    with Serving(gateway) as serving:
        (home / "mdash.toml").write_text(_TOML.format(
            catalog=where, app_id=gateway_keys[1].app_id, seller_id=gateway_keys[1].seller_id,
            url=serving.url.removesuffix("/gateway.do")), "utf-8")
        desk = make_desk(load_settings(home), gateway_keys)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.desk.victim", str(home)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as victim:
            assert victim.stdout is not None
            assert victim.stdout.readline() == "ready\n"
            yield Scene(desk, gateway, victim)
            assert victim.stdin is not None
            victim.stdin.close()
            assert victim.wait(10) == 0
        assert audit.verify(desk.ledger).ok
        desk.ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["", "reset_after", "fund_change_n"])
def test_a_request_killed_at_any_step_is_resolved(scene: Scene, fault: str) -> None:
    for step in range(1, 60):
        order_no = f"K{step}"
        scene.trade(order_no)
        if fault:
            scene.gateway.plans.add({"how": fault, "method": REFUND, "order": order_no})
        code = scene.run({"do": "request", "order_no": order_no, "fen": 6_000,
                          "refund_no": f"R{step}", "kill": step})[0]
        scene.gateway.plans.clear()
        scene.settle()
        scene.agree(order_no)
        if code == 0:
            break
        assert code == KILLED
    assert 8 < step < 59


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_resolve_killed_at_any_step_is_resolved(scene: Scene, fault: str) -> None:
    for step in range(1, 60):
        order_no = f"K{step}"
        scene.trade(order_no)
        scene.gateway.plans.add({"how": fault, "method": REFUND, "order": order_no})
        ask = {"do": "request", "order_no": order_no, "fen": 6_000, "refund_no": f"R{step}"}
        assert scene.run(ask) == [0]
        assert scene.desk.refunds.one(f"R{step}").state == "unknown"
        code = scene.run({"do": "resolve", "kill": step})[0]
        scene.settle()
        scene.agree(order_no)
        if code == 0:
            break
        assert code == KILLED
    assert 5 < step < 59


@pytest.mark.slow
def test_an_approval_killed_at_any_step_is_resolved(scene: Scene) -> None:
    for step in range(1, 60):
        order_no, number = f"K{step}", f"R{step}"
        trade = scene.trade(order_no)
        ask = {"do": "request", "order_no": order_no, "fen": 9_000, "refund_no": number}
        assert scene.run(ask) == [0]
        yes = {"do": "approve", "refund_no": number, "by": "paul", "role": "approver"}
        code = scene.run(yes | {"kill": step})[0]
        if scene.desk.refunds.one(number).state == "awaiting_approval":
            assert trade.refunds == []
            assert scene.run(yes) == [0]
        scene.settle()
        scene.agree(order_no)
        assert trade.refunded_fen == 9_000
        if code == 0:
            break
        assert code == KILLED
    assert 6 < step < 59


@pytest.mark.slow
def test_the_race_of_two_60s_on_100_admits_one(scene: Scene) -> None:
    for number in range(8):
        order_no = f"X{number}"
        trade = scene.trade(order_no)
        at = time.time() + 0.15
        codes = scene.run(*(
            {"do": "request", "order_no": order_no, "fen": 6_000, "refund_no": f"R{number}-{who}",
             "at": at} for who in range(3)
        ))
        assert sorted(codes) == [0, 4, 4]
        assert trade.refunded_fen == 6_000
        scene.agree(order_no)


@pytest.mark.slow
def test_a_double_click_in_two_processes_is_one_refund(scene: Scene) -> None:
    for number in range(5):
        trade = scene.trade(f"D{number}")
        ask = {"do": "request", "order_no": f"D{number}", "fen": 4_000, "refund_no": f"R{number}",
               "at": time.time() + 0.15}
        assert scene.run(ask, ask, ask) == [0, 0, 0]
        assert trade.refunded_fen == 4_000
        scene.agree(f"D{number}")

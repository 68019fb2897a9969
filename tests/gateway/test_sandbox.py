"""`mdash sandbox`: a process that answers, leaves what a client needs, and remembers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from dashboard.demo import beside_gateway, prepare
from loaders.records import fen_of_yuan, refund_outcome
from loaders.remote import Remote
from sample_data.gateway.gateway import china_now
from sample_data.gateway.keys import read_keys
from sample_data.gateway.sandbox import open_sandbox
from tests.conftest import run_mdash
from tests.gateway.conftest import HTTP, Caller, client_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`mdash sandbox` in a process of its own, ended as Ctrl-C ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", "--home", str(home), "sandbox", "--port", str(port)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "MDASH_SHOP__LANGUAGE": "en"},
    )
    try:
        wait_until_healthy(process, port)
        yield process
        process.send_signal(signal.SIGINT)
        process.wait(10)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def wait_until_healthy(process: subprocess.Popen[str], port: int) -> None:
    until = monotonic() + 30
    while monotonic() < until and process.poll() is None:
        try:
            if HTTP.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            sleep(0.05)
    pytest.fail(f"not healthy; exit code {process.poll()}")


def client(home: Path) -> tuple[Caller, dict[str, Any]]:
    told = json.loads((home / "sandbox" / "sandbox.json").read_text("utf-8"))
    folder = home / "sandbox"
    return client_of(told["gateway_url"], read_keys(folder), folder), told


@pytest.mark.slow
def test_what_it_leaves_is_enough_to_use_it_and_it_remembers(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with running(home, port) as process:
        caller, told = client(home)
        assert caller.url == f"http://127.0.0.1:{port}/gateway.do"
        outcomes = [order["outcome"] for order in told["orders"]]
        assert outcomes.count("paid") >= 3
        assert outcomes.count("unpaid") >= 1
        for order in told["orders"]:
            status = caller.query(order["order_no"])["trade_status"]
            assert (status == "WAIT_BUYER_PAY") == (order["outcome"] == "unpaid")
        for name in ("app_private_key_file", "alipay_public_key_file"):
            assert (home / told[name]).stat().st_mode & 0o777 == 0o600
        assert b"BEGIN PRIVATE KEY" in (home / told["app_private_key_file"]).read_bytes()
        order = told["orders"][0]
        assert caller.refund(order["order_no"], "1.00", "R1")["fund_change"] == "Y"
        assert process.stdout is not None
        printed = tomllib.loads("".join(process.stdout.readline() for _ in range(6)))
    assert process.returncode == 0
    assert printed["channels"]["alipay"]["gateway_url"] == told["gateway_url"]
    with running(home, port):
        caller, again = client(home)
        assert caller.refund(order["order_no"], "1.00", "R1")["fund_change"] == "N"
        assert [item["order_no"] for item in again["orders"]] == [
            item["order_no"] for item in told["orders"]
        ]


def test_a_port_in_use_is_said_so(tmp_path: Path, mdash: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        ran = mdash("sandbox", "--port", str(sock.getsockname()[1]))
    assert ran.code == 2
    assert "is in use" in ran.err


@pytest.mark.slow
def test_a_demo_of_fifty_thousand_orders_is_light(tmp_path: Path, keys_folder: Path) -> None:
    started = monotonic()
    day = (china_now() - timedelta(days=1)).date()
    gateway = open_sandbox(keys_folder, 50_000, day, has_own_orders=False)
    assert len(gateway.ledger) > 45_000
    assert monotonic() - started < 20


@pytest.mark.slow
def test_the_demo_has_a_gateway_that_knows_its_orders(tmp_path: Path) -> None:
    settings = prepare(tmp_path / "demo", 60)
    with beside_gateway(settings, free_port()) as now:
        url = now.channels["alipay"]["gateway_url"]
        folder = now.home / "sandbox"
        caller = client_of(url, read_keys(folder), folder)
        ran = run_mdash(
            now.home, "sql", "select order_no, amount_fen, trade_no from trades"
            " where channel = 'alipay' and outcome = 'paid' and refunded_fen = 0"
            " order by created_at desc limit 5",
            "--format", "json",
        )
        rows = ran.json()["rows"]
        assert len(rows) == 5
        for row in rows:
            node = caller.query(row["order_no"])
            assert (node["trade_status"], node["trade_no"]) == ("TRADE_SUCCESS", row["trade_no"])
            assert fen_of_yuan(node["total_amount"]) == row["amount_fen"]
        assert caller.refund(rows[0]["order_no"], "0.01", "R1")["fund_change"] == "Y"
    with pytest.raises(httpx.ConnectError):
        HTTP.get(url)
    with beside_gateway(prepare(tmp_path / "demo", 60), free_port()) as now:
        assert now.channels["alipay"]["gateway_url"].startswith("http://127.0.0.1:")
        url = now.channels["alipay"]["gateway_url"]
        caller = client_of(url, read_keys(folder), folder)
        assert caller.refund(rows[0]["order_no"], "0.01", "R1")["fund_change"] == "N"


@pytest.mark.slow
def test_the_demo_refunds_a_trade_of_its_second_channel_too(tmp_path: Path) -> None:
    settings = prepare(tmp_path / "demo", 60)
    with beside_gateway(settings, free_port()) as now:
        [row] = run_mdash(
            now.home, "sql", "select order_no from trades where channel = 'wechatpay' and"
            " outcome = 'paid' and refunded_fen = 0 order by created_at desc limit 1",
            "--format", "json",
        ).json()["rows"]
        order_no = row["order_no"]
        asked = run_mdash(now.home, "query", order_no, "--json")
        assert (asked.code, asked.json()["outcome"]) == (0, "paid"), asked.err
        number = "R-demo"
        refund = ("refund", order_no, "--amount", "0.01", "--reason", "x", "--as", "admin",
                  "--refund-no", number, "--json")
        ran = run_mdash(now.home, *refund)
        assert (ran.code, ran.json()["state"]) == (0, "done"), ran.err
        checked = run_mdash(now.home, "check", "--json").json()["findings"]
        assert all(item["ok"] for item in checked if "微信" in item["what"]), checked
    with beside_gateway(prepare(tmp_path / "demo", 60), free_port()) as now, Remote(now) as remote:
        answer = remote.ask(
            "wechatpay", "refund_query", refund_no=number, amount_fen=1, order_no=order_no
        )
        assert refund_outcome(answer) == "done"

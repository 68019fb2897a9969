"""What was acknowledged survives: receivers and loads are killed in the middle of their work."""

from __future__ import annotations

import contextlib
import http.client
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest

from loaders.durable_log import LogWriter, log_folder
from loaders.settings import load_settings
from loaders.tail import load_new
from tests.conftest import Mdash
from tests.receiver.conftest import Client, lines, process
from tests.receiver.messages import posted

SENDERS = 8
_LOAD = """
import pathlib, sys
from loaders.settings import load_settings
from loaders.tail import load_new
print("ready", flush=True)
while load_new(load_settings(pathlib.Path(sys.argv[1]))):
    pass
"""


class Load:
    """Senders that post messages until they are cut off, and remember what was acknowledged."""

    def __init__(self, key: bytes, prefix: str, port: int) -> None:
        self._key, self._prefix, self._port = key, prefix, port
        self.acknowledged: set[str] = set()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Eight senders post meanwhile."""
        threads = [threading.Thread(target=self._send, args=(n,)) for n in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join(30)

    def _send(self, sender: int) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException), Client(self._port) as client:
            for number in range(2_000):
                order = f"{self._prefix}S{sender}N{number}"
                told = client.post(posted(self._key, order))
                assert (told.status, told.body) == (200, b"success")
                self.acknowledged.add(order)


def killed_receiver(home: Path, key: bytes, prefix: str, said: Path, after_s: float) -> set[str]:
    """Orders acknowledged by a receiver that is killed so long after the first of them."""
    with process(home, said) as (running, port):
        load = Load(key, prefix, port)
        with load.running():
            for _ in range(200):
                if load.acknowledged:
                    break
                time.sleep(0.02)
            time.sleep(after_s)
            running.kill()
    return load.acknowledged


def killed_load(home: Path, after_s: float) -> None:
    """A load of the log's tail that is killed so long after it began."""
    running = subprocess.Popen(
        [sys.executable, "-c", _LOAD, str(home)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert running.stdout is not None
    with running.stdout as out:
        out.readline()
        time.sleep(after_s)
        running.kill()
        running.wait(20)


def check(home: Path, mdash: Mdash, acknowledged: set[str]) -> None:
    """Every acknowledged message is in the log once and, after loading, in the store once."""
    settings = load_settings(home)
    LogWriter(log_folder(home), ZoneInfo(settings.shop.timezone), 2**20).close()
    logged = Counter(parse_qs(line["body"])["out_trade_no"][0] for line in lines(home))
    assert acknowledged
    assert {order: logged[order] for order in acknowledged} == dict.fromkeys(acknowledged, 1)
    while load_new(settings):
        pass
    ran = mdash("sql", "select order_no, count(*) as n from notifications group by all",
                "--format", "json")
    assert {row["order_no"]: row["n"] for row in ran.json()["rows"]} == dict(logged)


@pytest.mark.slow
def test_what_was_acknowledged_survives_two_kills(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    chance = random.Random(2)
    acknowledged: set[str] = set()
    for number in range(2):
        acknowledged |= killed_receiver(
            home, channel_key, f"K{number}", tmp_path / "said", chance.uniform(0.05, 0.3)
        )
    check(home, mdash, acknowledged)


@pytest.mark.slow
def test_what_was_acknowledged_survives_twenty_kills_and_killed_loads(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    chance = random.Random(20)
    acknowledged: set[str] = set()
    for number in range(20):
        acknowledged |= killed_receiver(
            home, channel_key, f"K{number}", tmp_path / "said", chance.uniform(0.02, 0.8)
        )
        killed_load(home, chance.uniform(0.0, 1.5))
    check(home, mdash, acknowledged)


def test_a_stop_lets_everything_under_way_be_answered(
    home: Path, channel_key: bytes, tmp_path: Path
) -> None:
    with process(home, tmp_path / "said") as (running, port):
        load = Load(channel_key, "D", port)
        with load.running():
            time.sleep(0.3)
            running.terminate()
            running.wait(20)
    logged = [parse_qs(line["body"])["out_trade_no"][0] for line in lines(home)]
    assert sorted(logged) == sorted(load.acknowledged)
    assert load.acknowledged

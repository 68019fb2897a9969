"""Receivers over a real loopback socket, in this process or in one of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboard.receiving import application, server
from loaders.durable_log import log_files, log_folder
from loaders.settings import load_settings
from tests.receiver.messages import free_port


@dataclass
class Told:
    """An answer of the receiver."""

    status: int
    body: bytes
    headers: dict[str, str]


class Client:
    """A keep-alive connection to a receiver."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def post(self, body: str | bytes, path: str = "/notify/alipay", **headers: str) -> Told:
        """Post a body; underscores in header names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("POST", path, body.encode() if isinstance(body, str) else body, named)

    def get(self, path: str, **headers: str) -> Told:
        """Ask for a page."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("GET", path, None, named)

    def count(self, verdict: str) -> float:
        """How many deliveries /metrics counts with this verdict."""
        return self.metric(f'mdash_notifications_total{{channel="alipay",verdict="{verdict}"}}')

    def metric(self, name: str) -> float:
        """A sample of /metrics by its name and labels; 0 if there is none."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Told:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return Told(answer.status, answer.read(), dict(answer.getheaders()))


@contextlib.contextmanager
def receiving(home: Path, sync: Callable[[int], None] = os.fsync) -> Iterator[Client]:
    """A receiver in a thread of this process."""
    running = server(application(load_settings(home), sync), free_port())
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        for _ in range(400):
            if running.started:
                break
            time.sleep(0.01)
        assert running.started
        with Client(running.config.port) as client:
            yield client
    finally:
        running.should_exit = True
        thread.join(20)


@pytest.fixture
def receiver(home: Path) -> Iterator[Client]:
    """A client of a running receiver."""
    with receiving(home) as client:
        yield client


@contextlib.contextmanager
def process(
    home: Path, log: Path, command: str = "receive"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`mdash receive`, or `serve`, in a process of its own, ready; killed at the end."""
    port = free_port()
    mdash = [sys.executable, "-m", "dashboard.cli", "--home", str(home)]
    with log.open("ab") as said:
        running = subprocess.Popen(
            [*mdash, command, "--port", str(port)], stdout=said, stderr=said
        )
    try:
        for _ in range(600):
            assert running.poll() is None, log.read_text("utf-8")
            with contextlib.suppress(OSError), Client(port) as client:
                assert client.get("/healthz").status == 200
                break
            time.sleep(0.05)
        yield running, port
    finally:
        running.kill()
        running.wait(20)


def lines(home: Path) -> list[dict[str, Any]]:
    """Every line of a home's notification log."""
    return [
        json.loads(line)
        for path in log_files(log_folder(home))
        for line in path.read_bytes().splitlines()
    ]

"""Many people at once: how long a server takes to draw a page for one session and for twenty."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import urlencode

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard.identity.accounts import Accounts
from dashboard.identity.sessions import Sessions
from dashboard.operations.ledger import Ledger
from dashboard.services import Services
from loaders.settings import load_settings

SESSIONS = 20
LIMIT_S = 300.0
TRIVIAL = "import streamlit as st\nst.title('hello')\nst.metric('one', 1)\n"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: list[str], port: int) -> Iterator[int]:
    """A server of its own process, for as long as the block lasts."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=60)


class Session:
    """One reader's connection, as the browser makes it."""

    def __init__(self, port: int, token: str = "") -> None:
        self._url, self._token = f"ws://127.0.0.1:{port}/_stcore/stream", token
        self._port = port
        self._origin = f"http://127.0.0.1:{port}"

    async def __aenter__(self) -> Session:
        self._socket = await websockets.connect(
            self._url, subprotocols=["streamlit"], max_size=2**28,  # type: ignore[list-item]
            origin=self._origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": f"mdash_{self._port}={self._token}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def draw(self, query: str = "") -> float:
        """Seconds until the page with these parameters is drawn whole."""
        asked = BackMsg()
        asked.rerun_script.query_string = query
        began = time.perf_counter()
        await self._socket.send(asked.SerializeToString())
        async with asyncio.timeout(LIMIT_S):
            while True:
                told = ForwardMsg()
                told.ParseFromString(await self._socket.recv())  # type: ignore[arg-type]
                if told.WhichOneof("type") == "script_finished":
                    return time.perf_counter() - began


def signed_in(home: Path) -> str:
    """The token of a session in this home, whose administrator is made if there is none."""
    ledger = Ledger(load_settings(home))
    accounts = Accounts(ledger)
    if accounts.is_empty:
        accounts.add(None, "benchmark", "admin", token_urlsafe())
    token = Sessions(ledger).begin(accounts.accounts()[0].name)
    ledger.close()
    return token


async def _together(
    port: int, queries: list[str], token: str = ""
) -> tuple[float, float, float]:
    """Median seconds of the first drawing of all at once, and of a drawing with another filter.

    Another filter is chosen by all at the same moment, then by one after the other while all
    the others stay connected.
    """
    sessions = [Session(port, token) for _ in queries]
    for session in sessions:
        await session.__aenter__()
    try:
        first = sorted(await asyncio.gather(*(session.draw() for session in sessions)))
        again = sorted(await asyncio.gather(
            *(session.draw(query) for session, query in zip(sessions, queries, strict=True))
        ))
        turns = sorted([
            await session.draw(query + "&compare=weeks")
            for session, query in zip(sessions, queries, strict=True)
        ])
    finally:
        for session in sessions:
            await session.__aexit__()
    return first[len(first) // 2], again[len(again) // 2], turns[len(turns) // 2]


def measure(home: Path, folder: Path) -> dict[str, float]:
    """Seconds of the trivial page and of Overview, for twenty sessions, and of filters for one."""
    services = Services(load_settings(home))
    last = services.last_day()
    services.reader.close()
    changes = [
        urlencode({"days": [str(last - timedelta(days=at + 6)), str(last - timedelta(days=at))]}, True)
        for at in range(SESSIONS + 1)
    ]
    hello = folder / "hello.py"
    hello.write_text(TRIVIAL, "utf-8")
    port = free_port()
    trivial = [sys.executable, "-m", "streamlit", "run", str(hello), "--server.port", str(port),
               "--server.headless", "true", "--server.address", "127.0.0.1",
               "--browser.gatherUsageStats", "false"]
    with server(trivial, port):
        asyncio.run(_together(port, [""]))
        bare, _, _ = asyncio.run(_together(port, [""] * SESSIONS))
    port = free_port()
    ours = [sys.executable, "-m", "dashboard.cli", "--home", str(home), "serve", "--port", str(port)]
    token = signed_in(home)
    with server(ours, port):
        asyncio.run(_together(port, [""], token))
        _, _, alone = asyncio.run(_together(port, changes[-1:], token))
        full, at_once, changed = asyncio.run(_together(port, changes[:SESSIONS], token))
    return {"trivial": bare, "overview": full, "alone": alone, "changed": changed,
            "at_once": at_once}

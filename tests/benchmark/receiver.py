"""The receiver against a bare endpoint that only answers, under the same load in the same run."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loaders.settings import load_settings
from loaders.tail import load_new
from tests.benchmark import inputs
from tests.receiver.messages import free_port, posted

CONNECTIONS = 64
SPAN_S = 4.0
ROUNDS = 2
BODIES = 4_000
_BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
async def success(request):
    return PlainTextResponse("success")
routes = [Route("/notify/alipay", success, methods=["POST"]), Route("/healthz", success)]
uvicorn.run(Starlette(routes=routes), port=int(sys.argv[1]), http="h11", access_log=False,
            log_level="warning")
"""


def receiver(folder: Path) -> list[tuple[str, float, str, str]]:
    """Rows of the report: what, ratio, wanted, detail."""
    key = inputs.channel_key()
    home = inputs.new_home(folder / "receiver", key)
    bodies = folder / "bodies.json"
    bodies.write_text(json.dumps([posted(key, f"B{number:07}") for number in range(BODIES)]), "utf-8")
    bare: list[tuple[int, list[float]]] = []
    ours: list[tuple[int, list[float]]] = []
    receive = ["-m", "dashboard.cli", "--home", str(home), "receive", "--port"]
    with served(["-c", _BARE]) as one, served(receive) as other:
        for _ in range(ROUNDS):
            bare.append(loaded(one, bodies))
            ours.append(loaded(other, bodies))
    began = time.perf_counter()
    while load_new(load_settings(home)):
        pass
    return [*_compared(bare, ours), _drained(sum(n for n, _ in ours), time.perf_counter() - began)]


def _compared(
    bare: Sequence[tuple[int, list[float]]], ours: Sequence[tuple[int, list[float]]]
) -> list[tuple[str, float, str, str]]:
    rates = [sum(count for count, _ in runs) / SPAN_S / ROUNDS for runs in (bare, ours)]
    tails = [p99([s for _, spent in runs for s in spent]) for runs in (bare, ours)]
    return [
        ("receiver: rate against a bare endpoint", rates[1] / rates[0], ">= 0.30",
         f"{rates[1]:.0f}/s against {rates[0]:.0f}/s at {CONNECTIONS} connections"),
        ("receiver: p99 against a bare endpoint", tails[1] / tails[0], "<= 6",
         f"{tails[1] * 1000:.1f} ms against {tails[0] * 1000:.1f} ms"),
    ]


def _drained(count: int, seconds: float) -> tuple[str, float, str, str]:
    return ("receiver: seconds to load what came in", seconds, "-", f"{count} messages")


def p99(seconds: Sequence[float]) -> float:
    """The 99th percentile."""
    return sorted(seconds)[int(len(seconds) * 0.99)]


@contextmanager
def served(arguments: Sequence[str]) -> Iterator[int]:
    """A server in a process of its own; its port is the last argument."""
    port = free_port()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *arguments, str(port)], stderr=said)
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server did not start")


def loaded(port: int, bodies: Path) -> tuple[int, list[float]]:
    """Answers counted, and the seconds of each, by a client in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmark.receiver", str(port), str(bodies), str(SPAN_S)],
        capture_output=True, text=True, check=True,
    )
    spent = json.loads(done.stdout)
    return len(spent), spent


class _Client(asyncio.Protocol):
    """One keep-alive connection that posts as soon as it was answered."""

    def __init__(self, requests: Iterator[bytes], until: float, spent: list[float]) -> None:
        self._requests, self._until, self._spent = requests, until, spent
        self._got = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """An answer, whole when it ends in what the channel wants."""
        self._got += data
        if not self._got.endswith(b"success"):
            return
        assert self._got.startswith(b"HTTP/1.1 200 "), self._got[:200]
        self._got = b""
        now = time.perf_counter()
        self._spent.append(now - self._sent)
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, or a failure."""
        if exc:
            self.done.set_exception(exc)
        else:
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))


def _requests(bodies: Sequence[str]) -> Iterator[bytes]:
    ready = [
        b"POST /notify/alipay HTTP/1.1\r\nHost: shop\r\nUser-Agent: Mozilla/4.0\r\n"
        b"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body.encode("ascii"))
        for body in bodies
    ]
    while True:
        yield from ready


async def _run(port: int, bodies: Sequence[str], span_s: float) -> list[float]:
    loop = asyncio.get_running_loop()
    spent: list[float] = []
    requests, until = _requests(bodies), time.perf_counter() + span_s
    clients = [
        (await loop.create_connection(lambda: _Client(requests, until, spent), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(client.done for client in clients))
    return spent


if __name__ == "__main__":
    texts = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    print(json.dumps(asyncio.run(_run(int(sys.argv[1]), texts, float(sys.argv[3])))))

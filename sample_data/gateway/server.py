"""The gateway listening on this machine: in the foreground, or in a thread beside something else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import uvicorn
from starlette.types import ASGIApp

from sample_data.gateway import wire
from sample_data.gateway.application import application
from sample_data.gateway.gateway import Gateway

ADDRESS = "127.0.0.1"
_PATIENCE_S = 10.0


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes any free one. Raises OSError."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((ADDRESS, port))
    except OSError:
        sock.close()
        raise
    return sock


def address(sock: socket.socket) -> str:
    """The URL of what listens on this socket."""
    return f"http://{ADDRESS}:{sock.getsockname()[1]}"


class Addressed(Protocol):
    """A stand-in that knows where it is reached."""

    base_url: str


G = TypeVar("G", bound=Addressed)


def _server(gateway: G, sock: socket.socket, make: Callable[[G], ASGIApp]) -> uvicorn.Server:
    gateway.base_url = address(sock)
    return uvicorn.Server(
        uvicorn.Config(
            make(gateway), http=wire.Protocol, lifespan="on", log_config=None, access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


def serve(gateway: Gateway, sock: socket.socket) -> None:
    """Answer until interrupted."""
    _server(gateway, sock, application).run(sockets=[sock])


class Answering(Generic[G]):
    """A gateway that answers in a thread while the `with` block runs."""

    def __init__(
        self, gateway: G, make: Callable[[G], ASGIApp], sock: socket.socket | None = None
    ) -> None:
        self.gateway = gateway
        self._sock = sock or listen(0)
        self._server = _server(gateway, self._sock, make)
        self._thread = Thread(
            target=self._server.run, kwargs={"sockets": [self._sock]}, name="gateway", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        until = monotonic() + _PATIENCE_S
        while not self._server.started:
            if not self._thread.is_alive() or monotonic() > until:
                raise RuntimeError("the gateway did not start")
            sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE_S)
        self._sock.close()


class Serving(Answering[Gateway]):
    """Alipay's stand-in, answering in a thread."""

    def __init__(self, gateway: Gateway, sock: socket.socket | None = None) -> None:
        super().__init__(gateway, application, sock)

    @property
    def url(self) -> str:
        """Where calls go."""
        return f"{self.gateway.base_url}/gateway.do"

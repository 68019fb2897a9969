"""`mdash receive`: the notification receiver alone, under uvicorn."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from loaders.logs import configure
from loaders.meters import Meters
from loaders.monitor import monitor_routes, watch_log
from loaders.notifications import read_keys
from loaders.receiver import Receiver
from loaders.settings import Settings

ADDRESS = "127.0.0.1"
HEAD_TIME_S = 10.0
MAX_HEAD_BYTES = 16 * 2**10
MAX_CONNECTIONS = 1_000
KEEP_ALIVE_S = 30
DRAIN_S = 15


class PatientProtocol(H11Protocol):
    """HTTP/1.1 whose patience ends: a request's head must be there within `HEAD_TIME_S`."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected, and owes the head of a request."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Bytes came; they complete a head, or its time goes on running."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        self._unwatch_head()

    def _watch_head(self) -> None:
        is_idle = self.conn.their_state is h11.IDLE
        is_owed = is_idle and self.timeout_keep_alive_task is None
        if not is_owed or self.transport.is_closing():
            self._unwatch_head()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIME_S, self.transport.close)

    def _unwatch_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def application(settings: Settings, sync: Callable[[int], None] = os.fsync) -> Starlette:
    """The receiver of a home as an ASGI application. Raises ConfigurationError without a key."""
    meters = Meters()
    receiver = Receiver(settings, read_keys(settings), meters, sync)
    watch_log(meters, settings.home)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with receiver.running():
            yield

    watch = monitor_routes(meters, {"log": lambda: receiver.problem}, {})
    return Starlette(routes=[*receiver.routes(), *watch], lifespan=lifespan)


def server(served: Starlette, port: int) -> uvicorn.Server:
    """A server of an application with the receiver's limits, not yet started."""
    return uvicorn.Server(
        uvicorn.Config(
            served, host=ADDRESS, port=port, http=PatientProtocol, ws="none",
            lifespan="on", log_config=None, access_log=False, server_header=False,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES, limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=DRAIN_S,
        )
    )


def receive(settings: Settings, port: int) -> None:
    """Receive until interrupted; what was acknowledged is on disk."""
    configure()
    server(application(settings), port).run()

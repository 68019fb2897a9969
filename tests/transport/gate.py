"""A loopback HTTP server that answers as it is told, badly included, and counts what came."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behave = Callable[[BaseHTTPRequestHandler, bytes], None]


class Gate:
    """`behave` is done to every request; `bodies` are the requests' bodies, in order."""

    def __init__(self, behave: Behave) -> None:
        self.behave, self.bodies, self.connections = behave, list[bytes](), 0
        self.stopping = threading.Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                gate.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                gate.bodies.append(body)
                gate.behave(self, body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/gateway.do"

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http://", "https://")

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def says(body: bytes, status: int = 200, **headers: str) -> Behave:
    """Answer with this."""

    def behave(handler: BaseHTTPRequestHandler, _request: bytes) -> None:
        handler.send_response(status)
        handler.send_header("content-type", "text/html;charset=utf-8")
        handler.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def in_turn(*behaviours: Behave) -> Behave:
    """The first for the first request and so on; the last for all further ones."""
    left = list(behaviours)

    def behave(handler: BaseHTTPRequestHandler, request: bytes) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler, request)

    return behave


def resets(handler: BaseHTTPRequestHandler, _request: bytes) -> None:
    """Break the connection hard, without a byte of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def truncates(body: bytes) -> Behave:
    """Promise all of it, send the first half."""

    def behave(handler: BaseHTTPRequestHandler, _request: bytes) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    return behave


def drips(piece: bytes, pause_s: float, gate: Callable[[], Gate]) -> Behave:
    """Send one byte at a time, far too slowly to be done in time; header bytes included."""

    def behave(handler: BaseHTTPRequestHandler, _request: bytes) -> None:
        handler.close_connection = True
        for at in range(len(piece)):
            handler.wfile.write(piece[at : at + 1])
            handler.wfile.flush()
            if gate().stopping.wait(pause_s):
                return

    return behave


def sleeps(seconds: float, gate: Callable[[], Gate]) -> Behave:
    """Say nothing for so long."""

    def behave(handler: BaseHTTPRequestHandler, _request: bytes) -> None:
        handler.close_connection = True
        gate().stopping.wait(seconds)

    return behave

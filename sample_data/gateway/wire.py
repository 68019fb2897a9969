"""Answers on the wire, well-behaved or not: late, dripping, cut off, reset, or never."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any
from typing import Protocol as Shape

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from sample_data.gateway.misbehaviour import Behaviour

_NEVER_S = 3600.0
_PAGE_502 = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>Tengine</center>\r\n</body>\r\n</html>\r\n"
)


class Reply(Shape):
    """An answer before it is sent."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    def body(self) -> bytes:
        """The bytes."""

    def headers(self) -> dict[str, str]:
        """What stands beside them."""


class Protocol(H11Protocol):
    """HTTP whose application can reach its own connection, to end it rudely."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def gbk_page(content: str, status: int = 200) -> Response:
    """A page for browsers; the channel writes its own in GBK."""
    page = f"<html><body>{content}</body></html>".encode("gbk", "xmlcharrefreplace")
    return Response(page, status, {"Content-Type": "text/html;charset=GBK"})


async def respond(request: Request, bad: Behaviour, answer: Callable[[], Reply]) -> Response:
    """Call `answer` (or not) and send what it gives as the behaviour asks."""
    if delay := bad.seconds("slow"):
        await asyncio.sleep(delay)
    if early := await _instead(request, bad, "before"):
        return early
    reply = answer()
    if late := await _instead(request, bad, "after"):
        return late
    body = reply.body()
    headers = reply.headers()
    if "truncated" in bad:
        body = body[: len(body) // 2]
    if "cut_off" in bad:
        return StreamingResponse(
            _cut_off(request, body), headers=headers | {"Content-Length": str(len(body))}
        )
    if seconds := bad.seconds("drip"):
        return StreamingResponse(
            _dripping(body, seconds), headers=headers | {"Content-Length": str(len(body))}
        )
    return Response(body, reply.status, headers)


async def _instead(request: Request, bad: Behaviour, side: str) -> Response | None:
    if f"bad_gateway_{side}" in bad:
        return Response(_PAGE_502, 502, {"Content-Type": "text/html"})
    if f"reset_{side}" in bad:
        await _abort(request, with_reset=True)
        return Response()
    if f"silent_{side}" in bad:
        await _until_gone(request)
        return Response()
    return None


async def _until_gone(request: Request) -> None:
    """Wait until the caller gives up."""
    async with asyncio.timeout(_NEVER_S):
        while not await request.is_disconnected():
            await asyncio.sleep(0.05)


async def _abort(request: Request, *, with_reset: bool) -> None:
    transport = request.scope["state"]["transport"]
    if with_reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0.01)


async def _cut_off(request: Request, body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    await asyncio.sleep(0.05)
    await _abort(request, with_reset=False)


async def _dripping(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    for at in range(len(body)):
        await asyncio.sleep(seconds / len(body))
        yield body[at : at + 1]

"""The gateway as a web application: gateway.do, the bills behind links, the cashier, the controls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sample_data.gateway import cashier
from sample_data.gateway.control import Controls
from sample_data.gateway.envelope import codec
from sample_data.gateway.gateway import Gateway
from sample_data.gateway.links import PATH, fetch_bill
from sample_data.gateway.misbehaviour import UnknownMisbehaviour
from sample_data.gateway.notifier import Notifier
from sample_data.gateway.wire import gbk_page, respond

_TICK_S = 1.0


def application(gateway: Gateway) -> ASGIApp:
    """The ASGI application of a gateway."""
    notifier = Notifier(gateway)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        gateway.told = notifier.tell
        ticking = asyncio.create_task(_tick(gateway))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            await notifier.close()

    async def gateway_do(request: Request) -> Response:
        return await _answered(gateway, request)

    async def bill(request: Request) -> Response:
        return _bill(gateway, request)

    routes = [
        Route("/gateway.do", gateway_do, methods=["GET", "POST"]),
        Route(PATH, bill),
        Route("/healthz", _healthz),
        *cashier.routes(gateway),
        *Controls(gateway, notifier).routes(),
    ]
    return _absolute_targets(Starlette(routes=routes, lifespan=lifespan))


def _absolute_targets(app: ASGIApp) -> ASGIApp:
    """Take a request line that carries the whole URL, as the official Python client sends it."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "://" in scope["path"]:
            path = urlsplit(scope["path"]).path
            scope = {**scope, "path": path, "raw_path": path.encode("utf-8")}
        await app(scope, receive, send)

    return call


async def _tick(gateway: Gateway) -> None:
    while True:
        gateway.tidy()
        await asyncio.sleep(_TICK_S)


async def _healthz(_: Request) -> Response:
    return Response("ok", media_type="text/plain")


async def _answered(gateway: Gateway, request: Request) -> Response:
    fields = await read_fields(request)
    method = fields.get("method", "")
    try:
        bad = gateway.plans.take(method, _names(fields), request.headers.get("x-misbehave", ""))
    except UnknownMisbehaviour as error:
        return JSONResponse({"unknown": str(error)}, 400)
    if method in cashier.METHODS:
        return cashier.arrival(gateway, fields)
    return await respond(request, bad, lambda: gateway.answer(fields, bad))


def _bill(gateway: Gateway, request: Request) -> Response:
    found = fetch_bill(gateway, request.query_params.get("token", ""))
    if found is None:
        return gbk_page("<p>下载链接已失效</p>", 403)
    name, content = found
    return Response(
        content, media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def read_fields(request: Request) -> dict[str, str]:
    """All parameters, from the query and the body, decoded by the charset they name."""
    query = request.scope["query_string"].decode("latin-1")
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form() as form:
            sent = {name: value for name, value in form.items() if isinstance(value, str)}
        return _decoded(query) | sent
    body = (await request.body()).decode("latin-1")
    return _decoded("&".join(part for part in (query, body.strip()) if part))


def _decoded(text: str) -> dict[str, str]:
    raw = dict(parse_qsl(text, keep_blank_values=True, encoding="latin-1"))
    charset = codec(raw.get("charset", "utf-8")) or "utf-8"
    return dict(parse_qsl(text, keep_blank_values=True, encoding=charset, errors="replace"))


def _names(fields: dict[str, str]) -> set[str]:
    """The orders and refunds a request names, for plans that are about one of them."""
    try:
        content = json.loads(fields.get("biz_content") or "{}")
    except (ValueError, RecursionError):
        return set()
    if not isinstance(content, dict):
        return set()
    return {str(content.get(name)) for name in ("out_trade_no", "trade_no", "out_request_no")}

"""The platform as a web application: API v3, the bills behind links, the controls.

`POST` with a JSON body (no channel has these): `/control/pay {"order": "M1"}` · `/control/misbehave
{"how": "reset_after", "method": "refund", "order": "M1", "times": 1}` (words: `misbehaviour.py`) ·
`/control/behave` · `/control/manners {"refund_state": "PROCESSING"}` · `/control/clock
{"forward_s": 31}`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sample_data.gateway.misbehaviour import Behaviour, UnknownMisbehaviour
from sample_data.gateway.wechat.books import Refused
from sample_data.gateway.wechat.calls import CALLS, Asked, Handler
from sample_data.gateway.wechat.notifier import Notifier
from sample_data.gateway.wechat.platform import Platform, Said
from sample_data.gateway.wire import respond


def application(platform: Platform) -> ASGIApp:
    """The ASGI application of a platform."""
    notifier = Notifier(platform)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        platform.told = notifier.tell
        try:
            yield
        finally:
            await notifier.close()

    routes = [
        *(Route(path, _call(platform, name, handler), methods=[verb])
          for verb, path, name, handler in CALLS),
        Route("/v3/billdownload/file", _download(platform)),
        *_controls(platform),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _call(platform: Platform, name: str, handler: Handler) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = (await request.body()).decode("utf-8", errors="replace")
        asked = Asked(request.path_params, request.query_params, _object(body))
        try:
            bad = platform.plans.take(name, _names(asked), request.headers.get("x-misbehave", ""))
        except UnknownMisbehaviour as error:
            return JSONResponse({"unknown": str(error)}, 400)
        return await respond(
            request, bad, lambda: answer(platform, request, body, asked, handler, bad)
        )

    return endpoint


def answer(
    platform: Platform, request: Request, body: str, asked: Asked, handler: Handler, bad: Behaviour
) -> Said:
    """Check who asks, do it, and sign what came of it."""
    try:
        _authorise(platform, request, body)
        if "rate_limit" in bad:
            raise Refused(429, "FREQUENCY_LIMITED", "频率超限")
        if "refuse" in bad:
            raise Refused(400, bad.asked["refuse"])
        if "system_error_before" in bad:
            raise Refused(500, "SYSTEM_ERROR", "系统错误")
        status, document = handler(platform, asked)
        if "system_error_after" in bad:
            raise Refused(500, "SYSTEM_ERROR", "系统错误")
    except Refused as refused:
        status = refused.status
        document = {"code": refused.code, "message": refused.message}
    return platform.said(status, document, bad)


def _authorise(platform: Platform, request: Request, body: str) -> None:
    path = request.scope["raw_path"].decode("ascii")
    query = request.scope["query_string"].decode("ascii")
    platform.check(
        request.method, f"{path}?{query}" if query else path, body,
        request.headers.get("authorization", ""),
    )


def _download(platform: Platform) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            _authorise(platform, request, "")
            content = platform.bill(request.query_params.get("token", ""))
        except Refused as refused:
            return JSONResponse({"code": refused.code, "message": refused.message}, refused.status)
        return Response(content, media_type="text/plain")

    return endpoint


def _object(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _names(asked: Asked) -> set[str]:
    """The orders and refunds a request names, for plans that are about one of them."""
    said = {str(asked.body.get(name)) for name in ("out_trade_no", "out_refund_no")}
    return {*said, *asked.path.values()}


def _controls(platform: Platform) -> list[Route]:
    acts: dict[str, Callable[[dict[str, Any]], Any]] = {
        "pay": lambda told: platform.pay(str(told["order"])).state,
        "misbehave": lambda told: platform.plans.add(told).behaviour.asked,
        "behave": lambda _: platform.plans.clear(),
        "manners": lambda told: platform.manners.change(told),
        "clock": lambda told: platform.clock.forward(float(told["forward_s"])),
    }
    return [Route(f"/control/{name}", _control(act), methods=["POST"]) for name, act in acts.items()]


def _control(act: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse({"done": act(json.loads(await request.body() or b"{}"))})
        except Refused as refused:
            return JSONResponse({"code": refused.code}, 409)
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"wrong": str(error)}, 400)

    return endpoint

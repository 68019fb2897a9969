"""The guard before everything that is served: who is let in, and what browsers are told."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import Person
from dashboard.identity.service import BEGIN, DONE
from dashboard.identity.sessions import Sessions
from dashboard.identity.web import (
    is_known_host,
    is_own_origin,
    is_secure,
    sign_in_address,
    token_of,
)
from dashboard.operations.ledger import Ledger
from dashboard.wording import speaker
from loaders.settings import Settings

_OPEN = frozenset((
    "/login", "/logout", "/setup", "/password", "/demo", "/healthz", "/metrics", "/favicon.png",
    "/manifest.json", "/_stcore/health",
))
_OPEN_BELOW = ("/static/", "/sign-in/", "/notify/")
_OF_SIGN_IN_SERVICE = frozenset((BEGIN, DONE, "/auth/login", "/oauth2callback"))
_FOR_MACHINES = ("/notify/", "/healthz", "/metrics", "/_stcore/health")
_PARTS = ("/_stcore/", "/media/", "/component/")
_UPLOADS = "/_stcore/upload_file/"
_AT_ONCE = 8


class Guard:
    """ASGI middleware: nothing but the sign-in pages and what machines call without a session.

    `over` is handed to the dashboard in place of a click whose session is over, or whose person has
    other rights than at the click before, so that it draws the whole page anew. `is_automatic` tells
    what a page left open sends by itself: that does not keep a session alive.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, ledger: Ledger, over: bytes,
        is_automatic: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self._app, self._settings, self._over = app, settings, over
        self._is_automatic = is_automatic
        self._accounts, self._sessions = Accounts(ledger), Sessions(ledger)
        self._limit, self.say = CapacityLimiter(_AT_ONCE), speaker(settings.shop.language)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or answer."""
        if scope["type"] == "http":
            await self._http(HTTPConnection(scope), receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(HTTPConnection(scope), receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, asked: HTTPConnection, receive: Receive, send: Send) -> None:
        path: str = asked.scope["path"]
        answer: ASGIApp
        if not path.startswith(_FOR_MACHINES) and not self._is_known(asked):
            answer = PlainTextResponse(self.say(
                "mdash is not known under this name. Set shop.dashboard_url in mdash.toml."
            ), 421)
        elif self._is_open(path):
            answer = self._app
        else:
            is_seen = not path.startswith(_PARTS) or asked.scope["method"] not in ("GET", "HEAD")
            person = await self._person(asked, is_seen=is_seen)
            answer = self._app if _is_let_in(person, asked) else await self._turned_away(person, asked)
        await answer(asked.scope, receive, send)

    async def _turned_away(self, person: Person | None, asked: HTTPConnection) -> ASGIApp:
        path: str = asked.scope["path"]
        if person is not None:
            return PlainTextResponse(self.say("Your role has not the right to do this."), 403)
        if asked.scope["method"] not in ("GET", "HEAD") or path.startswith(_PARTS):
            return PlainTextResponse(self.say("You are not signed in."), 401)
        if await self._run(lambda: self._accounts.is_empty):
            return RedirectResponse("/setup", 303)
        query = asked.scope["query_string"].decode("latin-1")
        return RedirectResponse(sign_in_address(path, query), 303)

    async def _websocket(self, asked: HTTPConnection, receive: Receive, send: Send) -> None:
        is_own = is_own_origin(self._settings, asked) and self._is_known(asked)
        known = await self._person(asked, is_seen=False) if is_own else None
        if known is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return

        async def checked() -> Message:
            nonlocal known
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            is_seen = not self._is_automatic(message.get("bytes") or b"")
            before, known = known, await self._person(asked, is_seen=is_seen)
            if known is None or known != before:
                return {"type": "websocket.receive", "bytes": self._over}
            return message

        await self._app(asked.scope, checked, send)

    def _is_open(self, path: str) -> bool:
        is_service = self._settings.identity.oidc is not None and path in _OF_SIGN_IN_SERVICE
        return path in _OPEN or path.startswith(_OPEN_BELOW) or is_service

    def _is_known(self, asked: HTTPConnection) -> bool:
        return is_known_host(self._settings, asked.headers.get("host", ""))

    async def _person(self, asked: HTTPConnection, *, is_seen: bool) -> Person | None:
        token = token_of(self._settings, asked.headers.get("host", ""), asked.cookies)
        if not token:
            return None
        found: Person | None = await self._run(lambda: self._sessions.person(token, is_seen=is_seen))
        return found

    async def _run(self, work: Callable[[], Any]) -> Any:
        return await to_thread.run_sync(work, limiter=self._limit)


def _is_let_in(person: Person | None, asked: HTTPConnection) -> bool:
    if person is None:
        return False
    is_upload = asked.scope["path"].startswith(_UPLOADS) and asked.scope["method"] not in ("GET", "HEAD")
    return not is_upload or person.may("load") or person.may("refund")


_APP_POLICY = (
    "default-src 'self'; script-src 'self' {scripts};"
    " style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:;"
    " connect-src 'self'; worker-src 'self' blob:; frame-src 'self'; object-src 'none';"
    " base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class Headers:
    """ASGI middleware: what a browser may do with anything served here.

    `scripts` are those that stand in the dashboard's own page; no other may.
    """

    def __init__(self, app: ASGIApp, settings: Settings, scripts: Iterable[str] = ()) -> None:
        self._app, self._settings = app, settings
        digests = (b64encode(sha256(script.encode()).digest()).decode() for script in scripts)
        allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
        self._policy = _APP_POLICY.format(scripts=allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to an answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        is_https = is_secure(self._settings, asked.headers.get("host", ""))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", self._policy)
                _harden(headers, asked.scope["path"], is_https=is_https)
            await send(message)

        await self._app(scope, receive, with_headers)


def _harden(headers: MutableHeaders, path: str, *, is_https: bool) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
    if is_https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if path.startswith("/media/"):
        headers["Cache-Control"] = "no-store"

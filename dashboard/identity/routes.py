"""The routes of signing in, beside the dashboard: each a page, and what its form does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.identity.desk import Desk, Visit
from dashboard.identity.own_account import OwnAccount
from dashboard.identity.pages import Page, asset, drawn
from dashboard.identity.service import BEGIN, DONE, Service
from dashboard.identity.web import (
    WAY_COOKIE,
    FormTokens,
    form_cookie,
    form_of,
    is_secure,
    language_of,
    session_cookie,
    token_of,
    way_back,
)
from dashboard.operations.ledger import Ledger
from dashboard.wording import speaker
from loaders.errors import Forbidden, MdashError
from loaders.logs import event
from loaders.settings import Settings

_AT_ONCE, _WAITING = 4, 40
_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
_NAMES = {"zh": "中文", "en": "English"}
Show = Callable[[Visit], Page | Response]


class SignInRoutes:
    """Pages beside the dashboard; `service` is the house's own sign-in service, if there is one."""

    def __init__(self, settings: Settings, ledger: Ledger, service: Service | None = None) -> None:
        self._settings, self._tokens = settings, FormTokens(settings)
        self._desk, self._own = Desk(ledger, service), OwnAccount(ledger)
        self._limit = CapacityLimiter(_AT_ONCE)

    def routes(self) -> list[BaseRoute]:
        """The routes, to stand before the dashboard's."""
        desk, own = self._desk, self._own
        pages: tuple[tuple[str, Show, Show], ...] = (
            ("/login", desk.login_page, desk.login),
            ("/demo", desk.login_page, desk.demo),
            ("/setup", desk.setup_page, desk.setup),
            ("/password", desk.password_page, desk.password),
            ("/logout", desk.logout_page, desk.logout),
            ("/account", own.page, own.act),
            (BEGIN, desk.begin_service, desk.begin_service),
            (DONE, desk.end_service, desk.end_service),
        )
        made: list[BaseRoute] = [
            Route(path, self._endpoint(show, act), methods=["GET", "POST"])
            for path, show, act in pages
        ]
        return [*made, Route("/sign-in/{name}", _asset)]

    def _endpoint(self, show: Show, act: Show) -> Any:
        async def endpoint(request: Request) -> Response:
            if request.method != "POST":
                return await self._shown(request, {}, show)
            if self._limit.statistics().tasks_waiting >= _WAITING:
                return Response(status_code=503, headers={"Retry-After": "5"})
            form: dict[str, str] = {}
            try:
                form = await form_of(request)
                self._tokens.check(request, form)
                return await self._run(lambda: self._answer(request, form, act))
            except MdashError as error:
                refusal = error
            event("form refused", path=request.scope["path"], why=refusal.template)
            return await self._shown(request, form, show, refusal)

        return endpoint

    async def _shown(
        self, request: Request, form: Mapping[str, str], show: Show,
        refusal: MdashError | None = None,
    ) -> Response:
        """The page; where it cannot be shown, the sign-in page says why."""
        try:
            return await self._run(lambda: self._answer(request, form, show, refusal))
        except MdashError as error:
            told = error
        return await self._run(lambda: self._answer(request, {}, self._desk.login_page, told))

    async def _run(self, work: Callable[[], Response]) -> Response:
        return await to_thread.run_sync(work, limiter=self._limit)

    def _answer(
        self, request: Request, form: Mapping[str, str], show: Show, error: MdashError | None = None
    ) -> Response:
        visit = self._visit(request, form)
        shown = show(visit)
        if isinstance(shown, Response):
            return self._with_session(request, visit, shown)
        told = visit.say(error.template, **error.values) if error else ""
        other = "en" if visit.language == "zh" else "zh"
        secret = self._tokens.secret(request)
        response = drawn(
            shown, visit.language, (visit.address(visit.path, other), _NAMES[other]),
            self._tokens.of(secret), told, _status(error),
        )
        self._cookie(request, response, form_cookie(self._settings, visit.host), secret, "strict")
        return response

    def _with_session(self, request: Request, visit: Visit, response: Response) -> Response:
        """Hand the browser what the desk gave: a session's token, or that there is none."""
        name = session_cookie(self._settings, visit.host)
        for cookie, value in ((name, visit.given), (WAY_COOKIE, visit.way)):
            if value is not None:
                self._cookie(request, response, cookie, value, "lax")
        response.headers["Cache-Control"] = "no-store"
        return response

    def _visit(self, request: Request, form: Mapping[str, str]) -> Visit:
        host = request.headers.get("host", "")
        back = way_back(form.get("next") or request.query_params.get("next"))
        language = language_of(self._settings, request.query_params, back)
        token = token_of(self._settings, host, request.cookies)
        return Visit(request, form, language, speaker(language), back, host, token,
                     self._desk.sessions.person(token))

    def _cookie(
        self, request: Request, response: Response, name: str, value: str, same_site: Any
    ) -> None:
        """A cookie that no script reads and that ends with the browser; empty: it is taken back."""
        response.set_cookie(
            name, value, httponly=True, samesite=same_site, path="/",
            secure=is_secure(self._settings, request.headers.get("host", "")),
            max_age=None if value else 0,
        )


def _status(error: MdashError | None) -> int:
    if error is None:
        return 200
    return 403 if isinstance(error, Forbidden) else 400


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        return Response(status_code=404)
    return Response(asset(name), media_type=_ASSETS[name], headers={"Cache-Control": "no-cache"})



"""The sign-in desk: its pages, and what their forms do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard.identity import demo
from dashboard.identity.accounts import Accounts
from dashboard.identity.pages import Field, Form, Page
from dashboard.identity.passwords import SHORTEST
from dashboard.identity.rights import Person
from dashboard.identity.service import BEGIN, Service, account_of
from dashboard.identity.sessions import Sessions
from dashboard.identity.sign_in import SignIn
from dashboard.identity.web import WAY_COOKIE, caller, is_from_this_machine, way_back
from dashboard.operations.ledger import Ledger
from dashboard.wording import Say
from dashboard.wording.labels import ROLE_TITLES
from loaders.errors import Forbidden, RefusedInput


@dataclass(slots=True)
class Visit:
    """One request as the pages see it.

    `given` is the session's token for the browser to keep, `way` the page to come back to; an empty
    one is taken back.
    """

    request: Request
    form: Mapping[str, str]
    language: str
    say: Say
    back: str
    host: str
    token: str | None
    person: Person | None
    given: str | None = None
    way: str | None = None

    @property
    def path(self) -> str:
        """The page's own path."""
        return str(self.request.scope["path"])

    @property
    def spoken_back(self) -> str:
        """Where to go after signing in, in the language that was chosen here."""
        if "lang" not in self.request.query_params or "lang=" in self.back:
            return self.back
        return f"{self.back}{'&' if '?' in self.back else '?'}lang={self.language}"

    def address(self, path: str, language: str | None = None) -> str:
        """A page of the desk in this language, with the way back."""
        asked = {"lang": language or self.language}
        return f"{path}?{urlencode(asked | ({'next': self.back} if self.back != '/' else {}))}"


class Desk:
    """Signing in and out, the first administrator, and passwords chosen by a one-time code."""

    def __init__(self, ledger: Ledger, service: Service | None = None) -> None:
        self.sessions = Sessions(ledger)
        self._ledger, self._service = ledger, service
        self._accounts, self._sign_in = Accounts(ledger), SignIn(ledger)

    def login_page(self, visit: Visit) -> Page | Response:
        """Name and password; in the demo a button for each role."""
        say = visit.say
        if self._accounts.is_empty:
            return _to(visit.address("/setup"))
        if visit.person is not None:
            return _to(visit.back)
        row = self._demo_row(visit)
        shop = self._ledger.settings.shop.name
        form = Form(
            visit.address("/login"), say("Sign in"), (
                Field("name", say("Account"), complete="username", value=visit.form.get("name", "")),
                Field("password", say("Password"), "password", "current-password"),
                Field("code", say("Code of your authenticator"), complete="one-time-code",
                      is_needed=False, hint=say("Only if you use one.")),
            ), hidden={"next": visit.back}, title=say("With a password") if row else "",
        )
        if not row:
            links = ((visit.address(BEGIN), say("Sign in with {name}", name=self._service.label)),
                     ) if self._service else ()
            return Page(say("Sign in"), (form,), shop, links)
        return Page(say("The demo: who would you like to be?"), (form,), say(
            "Everything here is invented. Whoever sits at this machine signs in with one click;"
            " no home of a real shop can do that."
        ), row=row, row_title=say("Roles"))

    def login(self, visit: Visit) -> Response:
        """Sign in with a password."""
        form = visit.form
        name = self._sign_in.prove(
            form.get("name", ""), form.get("password", ""), form.get("code", ""),
            caller(visit.request),
        )
        return self._let_in(visit, name, "password")

    def demo(self, visit: Visit) -> Response:
        """Sign in as one of the demo's people."""
        name = visit.form.get("as", "")
        if not is_from_this_machine(visit.request) or name not in demo.people(self._ledger):
            raise Forbidden("This is no demo.")
        return self._let_in(visit, name, "demo")

    def begin_service(self, visit: Visit) -> Response:
        """Go to the house's sign-in service, and remember where to come back to."""
        if self._service is None:
            return _to(visit.address("/login"))
        visit.way = visit.spoken_back
        return self._service.begin(visit.request)

    def end_service(self, visit: Visit) -> Response:
        """Back from the service: let in whom it named. Raises Forbidden."""
        if self._service is None:
            return _to(visit.address("/login"))
        name = account_of(self._ledger, self._service.claims(visit.request))
        visit.given = self.sessions.begin(name, how="service", replaces=visit.token)
        visit.way = ""
        response = _to(way_back(visit.request.cookies.get(WAY_COOKIE)))
        self._service.forget(visit.request, response)
        return response

    def setup_page(self, visit: Visit) -> Page | Response:
        """The first administrator's account."""
        say = visit.say
        if not self._accounts.is_empty:
            return _to(visit.address("/login"))
        return Page(say("Welcome to mdash"), (Form(
            visit.address("/setup"), say("Make my account"), (
                _code(visit, say("The terminal where mdash serve runs printed it.")),
                Field("name", say("Your name here"), complete="username",
                      value=visit.form.get("name", "")),
                *new_password(say),
            ),
        ),), say("The first account is the administrator's. It can add everybody else."))

    def setup(self, visit: Visit) -> Response:
        """Make the first administrator, and sign in."""
        form = visit.form
        name = self._sign_in.set_up(form.get("code", ""), form.get("name", ""), typed_twice(form))
        return self._let_in(visit, name, "first start")

    def password_page(self, visit: Visit) -> Page:
        """A new password by a one-time code."""
        say = visit.say
        return Page(say("Choose a password"), (Form(
            visit.address("/password"), say("Keep this password"),
            (_code(visit, say("Your administrator gave it to you.")), *new_password(say)),
        ),))

    def password(self, visit: Visit) -> Response:
        """Keep the new password; one signs in with it next."""
        self._sign_in.choose_password(visit.form.get("code", ""), typed_twice(visit.form))
        visit.given = ""
        return _to(visit.address("/login"))

    def logout_page(self, visit: Visit) -> Page | Response:
        """Ask before signing out: a link alone must not do it."""
        if visit.person is None:
            return _to(visit.address("/login"))
        say = visit.say
        return Page(say("Sign out"), (Form(visit.address("/logout"), say("Sign out")),),
                    links=((visit.back, say("Back to the dashboard")),))

    def logout(self, visit: Visit) -> Response:
        """End this session."""
        self.sessions.end(visit.token)
        visit.given = ""
        return _to(visit.address("/login"))

    def _let_in(self, visit: Visit, name: str, how: str) -> Response:
        visit.given = self.sessions.begin(name, how=how, replaces=visit.token)
        return _to(visit.spoken_back)

    def _demo_row(self, visit: Visit) -> tuple[Form, ...]:
        if not is_from_this_machine(visit.request):
            return ()
        say = visit.say
        return tuple(
            Form(visit.address("/demo"), say("Sign in as {role}", role=say(ROLE_TITLES[name])),
                 hidden={"as": name, "next": visit.back}, is_quiet=True)
            for name in demo.people(self._ledger)
        )


def _to(address: str) -> Response:
    return RedirectResponse(address, 303)


def _code(visit: Visit, hint: str) -> Field:
    return Field("code", visit.say("One-time code"), hint=hint, value=visit.form.get("code", ""),
                 is_code=True)


def new_password(say: Say) -> tuple[Field, Field]:
    """The boxes of a new password."""
    hint = say("{count} characters or more; a few words that nobody else would put together.",
               count=SHORTEST)
    return (
        Field("password", say("New password"), "password", "new-password", hint),
        Field("again", say("The same again"), "password", "new-password"),
    )


def typed_twice(form: Mapping[str, str]) -> str:
    """The new password, if both boxes say it. Raises RefusedInput."""
    password = form.get("password", "")
    if password != form.get("again", ""):
        raise RefusedInput("The two passwords differ.")
    return password

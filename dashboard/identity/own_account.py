"""The page of one's own account: password, second factor, and signing out everywhere."""

from __future__ import annotations

from collections.abc import Callable

import segno
from starlette.responses import RedirectResponse, Response

from dashboard.identity import second_factor
from dashboard.identity.desk import Visit, new_password, typed_twice
from dashboard.identity.pages import Field, Form, Page
from dashboard.identity.rights import Person
from dashboard.identity.sessions import Sessions
from dashboard.identity.sign_in import SignIn
from dashboard.identity.web import caller
from dashboard.operations.ledger import Ledger
from loaders.errors import Forbidden, RefusedInput


class OwnAccount:
    """What everybody may change of themselves."""

    def __init__(self, ledger: Ledger) -> None:
        self._settings = ledger.settings
        self._sessions, self._sign_in = Sessions(ledger), SignIn(ledger)

    def page(self, visit: Visit) -> Page:
        """The page."""
        say, person = visit.say, _person(visit)
        has_password, has_code = self._sign_in.asks_for(person.name)
        own = (
            self._password_form(visit), self._second_factor_form(visit, person.name, has_code)
        ) if has_password else ()
        return Page(
            say("My account"),
            (*own, Form(
                visit.address("/account"), say("Sign out everywhere"), hidden={"do": "everywhere"},
                title=say("Sessions"), is_quiet=True,
                note=say("Ends every session of yours on every machine, this one too."),
            )),
            f"{person.name} · {person.role.name}",
            ((visit.address("/logout"), say("Sign out")), (visit.back, say("Back to the dashboard"))),
        )

    def act(self, visit: Visit) -> Response:
        """Do what the form asks."""
        acts: dict[str, Callable[[Visit, str], Response]] = {
            "password": self._password, "take": self._take, "drop": self._drop,
            "everywhere": self._everywhere,
        }
        act = acts.get(visit.form.get("do", ""))
        if act is None:
            raise RefusedInput("This form cannot be read.")
        return act(visit, _person(visit).name)

    def _password(self, visit: Visit, name: str) -> Response:
        new = typed_twice(visit.form)
        self._sign_in.change_password(name, visit.form.get("old", ""), new, caller(visit.request))
        self._sessions.end_all(name)
        visit.given = self._sessions.begin(name, how="password change")
        return _again(visit)

    def _take(self, visit: Visit, name: str) -> Response:
        form = visit.form
        self._sign_in.take_second_factor(
            name, form.get("old", ""), form.get("code", ""), caller(visit.request)
        )
        self._sessions.end_all(name, keep=visit.token)
        return _again(visit)

    def _drop(self, visit: Visit, name: str) -> Response:
        form = visit.form
        self._sign_in.drop_second_factor(
            name, form.get("old", ""), form.get("code", ""), caller(visit.request)
        )
        return _again(visit)

    def _everywhere(self, visit: Visit, name: str) -> Response:
        self._sessions.end_all(name)
        visit.given = ""
        return RedirectResponse(visit.address("/login"), 303)

    def _password_form(self, visit: Visit) -> Form:
        say = visit.say
        return Form(
            visit.address("/account"), say("Change my password"), (
                Field("old", say("Present password"), "password", "current-password"),
                *new_password(say),
            ), hidden={"do": "password"}, title=say("Password"),
            note=say("Your other sessions end."),
        )

    def _second_factor_form(self, visit: Visit, name: str, has_code: bool) -> Form:
        say = visit.say
        fields = (
            Field("old", say("Present password"), "password", "current-password"),
            Field("code", say("Code of your authenticator"), complete="one-time-code"),
        )
        if has_code:
            return Form(
                visit.address("/account"), say("Turn it off"), fields, hidden={"do": "drop"},
                title=say("Second factor"), is_quiet=True,
                note=say("Signing in asks for a code of your authenticator."),
            )
        secret = self._sign_in.offer_second_factor(name)
        uri = second_factor.invitation(name, secret, self._settings.shop.name)
        spelled = " ".join(secret[at:at + 4] for at in range(0, len(secret), 4))
        return Form(
            visit.address("/account"), say("Turn it on"), fields, hidden={"do": "take"},
            title=say("Second factor"), picture=segno.make(uri).svg_data_uri(scale=4, border=1),
            note=say("Scan the picture with an authenticator app, or type {secret} there; then give"
                     " its first code.", secret=spelled), is_quiet=True,
        )


def _person(visit: Visit) -> Person:
    if visit.person is None:
        raise Forbidden("You are not signed in.")
    return visit.person


def _again(visit: Visit) -> Response:
    return RedirectResponse(visit.address("/account"), 303)

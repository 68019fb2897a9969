"""The pages of signing in, as HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from starlette.responses import HTMLResponse

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_FOLDER = files("dashboard.identity") / "templates"


@dataclass(frozen=True, slots=True)
class Field:
    """One box of a form."""

    name: str
    label: str
    kind: str = "text"
    complete: str = "off"
    hint: str = ""
    value: str = ""
    is_needed: bool = True
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form: where it goes, its boxes, and what its button says."""

    action: str
    button: str
    fields: tuple[Field, ...] = ()
    title: str = ""
    note: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    picture: str = ""
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its title, what it says, and its forms."""

    title: str
    forms: tuple[Form, ...] = ()
    note: str = ""
    links: tuple[tuple[str, str], ...] = ()
    row: tuple[Form, ...] = ()
    row_title: str = ""


def drawn(
    page: Page, language: str, other: tuple[str, str], token: str, error: str = "", status: int = 200
) -> HTMLResponse:
    """The page as a response; `other` is the same page in the other language, and its name."""
    text = _template().render(
        page=page, language=language, other=other, token=token, error=error
    )
    return HTMLResponse(
        text, status,
        headers={"Cache-Control": "no-store", "Content-Security-Policy": POLICY},
    )


def asset(name: str) -> str:
    """The style or the script of these pages."""
    return (_FOLDER / name).read_text("utf-8")


@cache
def _template() -> Template:
    loader = DictLoader({"page.html": asset("page.html")})
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return made.get_template("page.html")

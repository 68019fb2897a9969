"""What the sign-in pages and the guard share: cookies, forms, origins and ways back."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from starlette.requests import HTTPConnection, Request

from loaders.errors import RefusedInput
from loaders.privacy import home_key, without_persons
from loaders.settings import Settings

_PLAIN, _FORM = "mdash", "mdash_form"
_PREFIX = "__Host-"
WAY_COOKIE = "mdash_way"
"""Where to go after the house's sign-in service; nothing is believed of it but a path of our own."""
MAX_FORM_BYTES = 16 * 2**10
_LONGEST_WAY = 4_000
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?", re.IGNORECASE)


def is_secure(settings: Settings, host: str) -> bool:
    """True if the dashboard is reached over https under this name."""
    url = urlsplit(settings.shop.dashboard_url)
    return url.scheme == "https" and url.netloc.lower() == host.lower()


def session_cookie(settings: Settings, host: str) -> str:
    """The session cookie's name; over https it is one that no other host can set."""
    return _named(_PLAIN, settings, host)


def token_of(settings: Settings, host: str, cookies: Mapping[str, str]) -> str | None:
    """The session's token among a browser's cookies."""
    return cookies.get(session_cookie(settings, host))


def form_cookie(settings: Settings, host: str) -> str:
    """The name of the cookie that a form's token belongs to."""
    return _named(_FORM, settings, host)


def _named(name: str, settings: Settings, host: str) -> str:
    """A cookie's name here. Browsers share cookies among a machine's ports, so it has the port's."""
    if is_secure(settings, host):
        return f"{_PREFIX}{name}"
    port = host.rpartition("]")[2].rpartition(":")[2]
    return f"{name}_{port}" if port.isdigit() and ":" in host else name


class FormTokens:
    """Tokens that a form carries: another site can send a form, but not know its token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def of(self, secret: str) -> str:
        """The token that belongs to a browser's secret."""
        key = home_key(self._settings.home, "identity.key")
        return hmac.digest(key, f"form:{secret}".encode(), "sha256").hex()

    def secret(self, request: Request) -> str:
        """The browser's secret, from its cookie or new."""
        name = form_cookie(self._settings, request.headers.get("host", ""))
        return request.cookies.get(name) or secrets.token_urlsafe(24)

    def check(self, request: Request, form: Mapping[str, str]) -> None:
        """Raise RefusedInput unless the form is ours, from our own page."""
        name = form_cookie(self._settings, request.headers.get("host", ""))
        secret = request.cookies.get(name, "")
        told = form.get("token", "").encode()
        if not secret or not hmac.compare_digest(self.of(secret).encode(), told):
            raise RefusedInput("This form is too old. Send it again.")
        if not is_own_origin(self._settings, request):
            raise RefusedInput("This form came from another site.")


def is_own_origin(settings: Settings, connection: HTTPConnection) -> bool:
    """False for what a browser sends on behalf of another site."""
    origin = connection.headers.get("origin")
    if origin is None:
        return connection.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    host = connection.headers.get("host", "").lower()
    found = urlsplit(origin)
    if is_secure(settings, host) and found.scheme != "https":
        return False
    return bool(host) and found.netloc.lower() == host


def is_known_host(settings: Settings, host: str) -> bool:
    """True for an address, this machine, or the name in shop.dashboard_url; not for a rebound name."""
    if not _HOST.fullmatch(host):
        return False
    name = (urlsplit(f"//{host}").hostname or "").lower()
    if name in ("localhost", urlsplit(settings.shop.dashboard_url).hostname):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def form_of(request: Request) -> dict[str, str]:
    """A posted form's fields. Raises RefusedInput for one that is too long."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM_BYTES:
            raise RefusedInput("This form is too long.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise RefusedInput("This form cannot be read.") from None


def way_back(wanted: str | None) -> str:
    """Where to go after signing in: a page of our own, whatever was asked."""
    text = wanted or "/"
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_path and text.isprintable() and len(text) <= _LONGEST_WAY else "/"


def sign_in_address(path: str, query: str) -> str:
    """The sign-in page, with the way back to what was asked for."""
    query = without_persons(query)
    wanted = f"{path}?{query}" if query else path
    return f"/login?next={quote(wanted, safe='')}" if wanted != "/" else "/login"


def language_of(settings: Settings, query: Mapping[str, str], wanted: str) -> str:
    """The language of a page: as asked, else that of the page to go to, else the shop's."""
    behind = parse_qs(urlsplit(wanted).query).get("lang", [""])[0]
    for code in (query.get("lang", ""), behind):
        if code in ("zh", "en"):
            return code
    return settings.shop.language


def caller(connection: HTTPConnection) -> str:
    """The address that asks."""
    return connection.client.host if connection.client else ""


def is_from_this_machine(connection: HTTPConnection) -> bool:
    """True if the address that asks, and the name it asked for, are this machine's."""
    host = (urlsplit(f"//{connection.headers.get('host', '')}").hostname or "").lower()
    try:
        return ip_address(caller(connection)).is_loopback and (
            host == "localhost" or ip_address(host).is_loopback
        )
    except ValueError:
        return False

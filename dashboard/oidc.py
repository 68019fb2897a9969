"""OpenID Connect by Streamlit's own sign-in: its configuration, and what it learned of a person."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from streamlit.auth_util import encode_provider_token
from streamlit.web.server.starlette import starlette_auth_routes as streamlit_routes
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from dashboard.identity.service import DONE
from loaders.errors import ConfigurationError
from loaders.privacy import home_key
from loaders.settings import Oidc, Settings

_CALLBACK = "/oauth2callback"


class OpenIdConnect:
    """The provider of [identity.oidc]. Raises ConfigurationError without shop.dashboard_url."""

    def __init__(self, settings: Settings, config: Oidc) -> None:
        self.label = config.label
        url = urlsplit(settings.shop.dashboard_url)
        if not url.scheme or not url.netloc:
            raise ConfigurationError(
                "mdash.toml: identity.oidc needs shop.dashboard_url, where the provider sends people"
                " back to."
            )
        secret = config.client_secret.get_secret_value() if config.client_secret else (
            settings.read_file(config.client_secret_file).decode().strip()
        )
        self.secrets: dict[str, Any] = {"auth": {
            "redirect_uri": f"{url.scheme}://{url.netloc}{_CALLBACK}",
            "cookie_secret": _cookie_secret(settings), "client_id": config.client_id,
            "client_secret": secret, "server_metadata_url": config.server_metadata_url,
        }}

    def begin(self, request: Request) -> Response:
        """Send the browser to the provider."""
        del request
        token = encode_provider_token("default")
        return RedirectResponse(f"/auth/login?{urlencode({'provider': token})}", 303)

    def claims(self, request: Request) -> Mapping[str, Any] | None:
        """What the provider said of the person who came back; its signature was checked."""
        kept = streamlit_routes._get_cookie_value_from_request(request, USER_COOKIE_NAME)
        found = json.loads(kept) if kept else None
        return found if isinstance(found, dict) and found.get("is_logged_in") else None

    def forget(self, request: Request, response: Response) -> None:
        """Take Streamlit's cookies back: the session here is ours."""
        streamlit_routes._clear_auth_cookie(response, request)

    def routes(self) -> list[BaseRoute]:
        """The way back from the provider, which goes on to our own desk."""
        return [Route(_CALLBACK, _came_back)]


async def _came_back(request: Request) -> Response:
    response = await streamlit_routes._auth_callback(request, "")
    response.headers["location"] = DONE
    return response


def _cookie_secret(settings: Settings) -> str:
    return hmac.digest(home_key(settings.home, "identity.key"), b"oidc cookies", "sha256").hex()

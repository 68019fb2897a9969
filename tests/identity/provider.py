"""A small OpenID Connect provider of this machine, which says of its visitor what it is told to."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "mdash", "the client's own secret"


@dataclass
class Provider:
    """Whoever comes is `person`."""

    person: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    nonces: dict[str, str | None] = field(default_factory=dict)
    url: str = ""

    def application(self) -> Starlette:
        """Its four pages."""
        return Starlette(routes=[
            Route("/.well-known/openid-configuration", self._metadata),
            Route("/authorize", self._authorize), Route("/jwks", self._jwks),
            Route("/token", self._token, methods=["POST"]),
        ])

    async def _metadata(self, _: Request) -> Response:
        return JSONResponse({
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        code = secrets.token_urlsafe()
        self.nonces[code] = asked.get("nonce")
        back = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}")

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        at = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": at, "exp": at + 300,
                  "nonce": self.nonces.pop(form["code"][0]), **self.person}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})


class Serving:
    """A provider that answers while the block runs."""

    def __init__(self, provider: Provider) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        provider.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(provider.application(), log_config=None, ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}
        )

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

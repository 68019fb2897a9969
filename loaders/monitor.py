"""What a machine asks a running program: /healthz and /metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from loaders.meters import MEDIA_TYPE, Meters
from loaders.tail import lag

Problem = Callable[[], str | None]


def monitor_routes(
    meters: Meters, vital: Mapping[str, Problem], watched: Mapping[str, Problem]
) -> list[BaseRoute]:
    """`/healthz` is 503 while one of the `vital` parts has a problem; `watched` ones are told.

    `/metrics` answers this machine alone, also behind a proxy.
    """

    def healthz(_: Request) -> Response:
        told = {name: problem() for name, problem in {**vital, **watched}.items()}
        is_well = not any(told[name] for name in vital)
        document = {"status": "ok" if is_well else "failing"}
        document |= {name: problem or "ok" for name, problem in told.items()}
        return JSONResponse(document, 200 if is_well else 503)

    def metrics(request: Request) -> Response:
        if not _is_this_machine(request):
            return Response(status_code=404)
        return Response(meters.text(), media_type=MEDIA_TYPE)

    return [Route("/healthz", healthz), Route("/metrics", metrics)]


def _is_this_machine(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def watch_log(meters: Meters, home: Path) -> None:
    """Meters of how far the store is behind the log of a home."""
    meters.gauge("mdash_log_lag_bytes", "Bytes of the log not yet loaded.", lambda: lag(home).bytes)
    meters.gauge("mdash_log_lag_seconds", "Age of the oldest message not yet loaded.",
                 lambda: _age_s(lag(home).oldest))


def _age_s(at: datetime | None) -> float:
    now = datetime.now(UTC).replace(tzinfo=None)
    return max(0.0, (now - at).total_seconds()) if at else 0.0

"""One ASGI application: the dashboard and /healthz; the schedule runs beside them."""

from __future__ import annotations

import asyncio
import os
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from threading import Timer

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dashboard.operations.scheduler import run_schedule
from loaders.settings import Settings

ADDRESS = "127.0.0.1"
"""There are no accounts yet, so nobody but this machine is let in."""


async def _healthz(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def _scheduled(
    settings: Settings,
) -> Callable[[st.App], AbstractAsyncContextManager[dict[str, object] | None]]:
    """The application's lifespan: the schedule runs while it serves."""

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        stop = asyncio.Event()
        schedule = asyncio.create_task(run_schedule(settings, stop))
        try:
            yield
        finally:
            stop.set()
            await schedule

    return lifespan


def serve(settings: Settings, port: int, *, browser: bool) -> None:
    """Serve the dashboard until interrupted."""
    os.environ["MDASH_HOME"] = str(settings.home)
    if browser:
        Timer(2.0, webbrowser.open, [f"http://{ADDRESS}:{port}"]).start()
    application = st.App(
        Path(__file__).with_name("app.py"), routes=[Route("/healthz", _healthz)],
        lifespan=_scheduled(settings),
    )
    application.run(
        config={
            "server.address": ADDRESS,
            "server.port": port,
            "server.headless": True,
            "server.fileWatcherType": "none",
            "server.maxUploadSize": 2048,
            "browser.gatherUsageStats": False,
            "client.toolbarMode": "viewer",
            "client.showErrorDetails": "none",
            "theme.light.primaryColor": "#0F766E",
            "theme.dark.primaryColor": "#2DD4BF",
            "theme.metricValueFontSize": "1.5rem",
            "theme.headingFontSizes": ["1.75rem", "1.35rem", "1.1rem", "1rem", "1rem", "1rem"],
            "theme.headingFontWeights": [650, 600, 600, 600, 600, 600],
        }
    )

"""One ASGI application: the dashboard, the receiver and its log's tail, the schedule, health."""

from __future__ import annotations

import asyncio
import logging
import os
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import streamlit as st

from dashboard.attachments import attachments
from dashboard.operations.scheduler import run_schedule
from dashboard.services import Services
from loaders.errors import ConfigurationError
from loaders.follow import Follower
from loaders.logs import configure, event
from loaders.meters import Meters
from loaders.monitor import monitor_routes, watch_log
from loaders.notifications import read_keys
from loaders.receiver import Receiver
from loaders.remote import shared
from loaders.settings import Settings

ADDRESS = "127.0.0.1"
"""There are no accounts yet, so nobody but this machine is let in."""


def application(settings: Settings) -> st.App:
    """The dashboard with the receiver, if a channel's key is configured, and its schedule."""
    meters = Meters()
    receiver, why = _receiver(settings, meters)
    follower = Follower(settings, meters)
    watch_log(meters, settings.home)
    meters.watermarks(Services(settings).reader.watermarks)
    meters.calls(shared(settings).counts)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if receiver is not None:
                await stack.enter_async_context(receiver.running())
                await stack.enter_async_context(follower.running())
            await stack.enter_async_context(_schedule(settings))
            yield

    routes = monitor_routes(
        meters,
        {"log": lambda: receiver.problem} if receiver else _wanted(settings, why),
        {"store": lambda: follower.problem, "receiver": lambda: why},
    )
    if receiver is not None:
        routes += receiver.routes()
    return st.App(Path(__file__).with_name("app.py"), routes=routes, lifespan=lifespan)


def _receiver(settings: Settings, meters: Meters) -> tuple[Receiver | None, str | None]:
    """The receiver; without a channel's key there is none, and why."""
    try:
        return Receiver(settings, read_keys(settings), meters), None
    except ConfigurationError as error:
        level = logging.ERROR if _names_keys(settings) else logging.INFO
        event("no receiver", level, why=error.template)
        return None, error.template


def _wanted(settings: Settings, why: str | None) -> dict[str, Callable[[], str | None]]:
    """A receiver that keys are named for, and that cannot run, is a failure and not a choice."""
    return {"receiver": lambda: why} if _names_keys(settings) else {}


def _names_keys(settings: Settings) -> bool:
    """True if a channel's settings name a key: then a receiver is wanted."""
    return any(
        name.endswith("_file") for config in settings.channels.values() for name in config
    )


@asynccontextmanager
async def _schedule(settings: Settings) -> AsyncIterator[None]:
    """The schedule of alerts and reports, for as long as the application serves."""
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_schedule(settings, stop, attach=attachments(settings))
    )
    try:
        yield
    finally:
        stop.set()
        await running


def serve(settings: Settings, port: int, *, browser: bool) -> None:
    """Serve the dashboard until interrupted."""
    os.environ["MDASH_HOME"] = str(settings.home)
    if browser:
        Timer(2.0, webbrowser.open, [f"http://{ADDRESS}:{port}"]).start()
    configure()
    application(settings).run(
        config={
            "server.address": ADDRESS,
            "server.port": port,
            "server.headless": True,
            "server.fileWatcherType": "none",
            "server.maxUploadSize": 2048,
            "browser.gatherUsageStats": False,
            "client.toolbarMode": "viewer",
            "client.showErrorDetails": "none",
            "theme.light.primaryColor": "#0B5D56",
            "theme.light.codeTextColor": "#0B5D56",
            "theme.dark.codeTextColor": "#5EEAD4",
            "theme.linkUnderline": False,
            "theme.dark.primaryColor": "#2DD4BF",
            "theme.metricValueFontSize": "1.5rem",
            "theme.headingFontSizes": ["1.75rem", "1.35rem", "1.1rem", "1rem", "1rem", "1rem"],
            "theme.headingFontWeights": [650, 600, 600, 600, 600, 600],
        }
    )

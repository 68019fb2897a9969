"""One ASGI application: the dashboard, the receiver and its log's tail, the schedule, health."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from threading import Timer
from typing import Any

import click
import streamlit as st
from google.protobuf.message import DecodeError
from starlette.middleware import Middleware
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard.attachments import attachments
from dashboard.identity import codes
from dashboard.identity.accounts import Accounts
from dashboard.identity.guard import Guard, Headers
from dashboard.identity.routes import SignInRoutes
from dashboard.oidc import OpenIdConnect
from dashboard.operations.ledger import Ledger
from dashboard.operations.scheduler import run_schedule
from dashboard.screens.focus import SCRIPT
from dashboard.services import Services
from dashboard.wording import translate
from loaders.errors import ConfigurationError
from loaders.follow import Follower
from loaders.logs import configure, event
from loaders.meters import Meters
from loaders.monitor import monitor_routes, watch_log
from loaders.notifications import read_keys
from loaders.receiver import Receiver
from loaders.remote import shared
from loaders.settings import Settings


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
    ledger = Ledger(settings)
    oidc = settings.identity.oidc
    service = OpenIdConnect(settings, oidc) if oidc else None
    return st.App(
        Path(__file__).with_name("app.py"), lifespan=lifespan,
        secrets=service.secrets if service else None,
        routes=[
            *routes, *SignInRoutes(settings, ledger, service).routes(),
            *(service.routes() if service else []),
        ],
        middleware=[
            Middleware(Headers, settings=settings, scripts=[*_own_scripts(), SCRIPT]),
            Middleware(
                Guard, settings=settings, ledger=ledger, over=_whole_run(), is_automatic=_is_automatic
            ),
        ],
    )


def _own_scripts() -> list[str]:
    """The scripts within Streamlit's page."""
    page = (files("streamlit") / "static" / "index.html").read_text("utf-8")
    return re.findall(r"<script>(.*?)</script>", page, re.DOTALL)


def _whole_run() -> bytes:
    """What a browser sends to have the page drawn whole."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    return bytes(message.SerializeToString())


def _is_automatic(content: bytes) -> bool:
    """True for what a page sends without a click: parts that draw themselves anew, and heartbeats."""
    try:
        message = BackMsg.FromString(content)
    except DecodeError:
        return True
    return not message.HasField("rerun_script") or message.rerun_script.is_auto_rerun


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
    address = _first_address(settings, f"http://{_named(settings.server.address)}:{port}")
    if not settings.server.is_loopback and not settings.shop.dashboard_url.startswith("https://"):
        click.echo(translate(
            settings.shop.language,
            "Passwords travel in the clear: put https before mdash and set shop.dashboard_url.",
        ), err=True)
    if browser:
        Timer(2.0, webbrowser.open, [address]).start()
    configure()
    if settings.server.trusted_proxies:
        os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings.server.trusted_proxies)
    application(settings).run(
        config={
            "server.address": settings.server.address,
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


def _named(address: str) -> str:
    """An address as a link has it; one that stands for all is reached as this machine."""
    if ip_address(address).is_unspecified:
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _first_address(settings: Settings, address: str) -> str:
    """Where to begin. Without accounts: at a one-time link, printed here and nowhere else."""
    ledger = Ledger(settings)
    try:
        if not Accounts(ledger).is_empty:
            return address
        if not settings.server.is_loopback:
            raise ConfigurationError(
                "Nobody has an account yet, so mdash listens to this machine only: add an"
                " administrator with mdash user add, or take server.address out of mdash.toml."
            )
        with ledger.transaction() as connection:
            link = f"{address}/setup#{codes.make(connection, 'setup')}"
    finally:
        ledger.close()
    click.echo(translate(
        settings.shop.language,
        "Nobody has an account yet. Make the administrator's here, once, within an hour: {link}",
        link=link,
    ), err=True)
    return link

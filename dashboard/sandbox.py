"""`mdash sandbox`: the stand-in gateway alone, and what to put into mdash.toml to use it."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from dashboard.wording import translate
from loaders.errors import ConfigurationError

TOML = """[channels.alipay]
app_id = "{app_id}"
seller_id = "{seller_id}"
gateway_url = "{gateway_url}"
app_private_key_file = "{app_private_key_file}"
alipay_public_key_file = "{alipay_public_key_file}"
"""


def run(home: Path, language: str, port: int, orders: int, *, speed: float, shuffled: bool) -> None:
    """Answer on loopback until interrupted."""
    from sample_data.gateway.gateway import Manners
    from sample_data.gateway.sandbox import FOLDER, open_sandbox, write_description
    from sample_data.gateway.server import address, serve

    home = home.absolute()
    sock = listen(port)
    manners = Manners(speed=speed, is_shuffled=shuffled)
    gateway = open_sandbox(home / FOLDER, orders, yesterday(), manners)
    gateway.base_url = address(sock)
    document = write_description(gateway, home / FOLDER, home)
    told = translate(
        language, "The stand-in gateway answers at {url}. To use it, put this into {path}:",
        url=document["gateway_url"], path=str(home / "mdash.toml"),
    )
    click.echo(told, err=True)
    click.echo(settings_of(document))
    with suppress(KeyboardInterrupt):
        serve(gateway, sock)


def settings_of(document: dict[str, Any]) -> str:
    """The lines of mdash.toml with which a home uses a gateway described so."""
    return TOML.format(**document)


def listen(port: int) -> socket.socket:
    """A socket of the stand-in gateway. Raises ConfigurationError if the port is taken."""
    from sample_data.gateway.server import listen as bind

    try:
        return bind(port)
    except OSError as error:
        raise ConfigurationError(
            "Port {port} is in use. Give another one with --port.", port=port
        ) from error


def yesterday() -> date:
    """The last day that is over in China, where the sample merchant lives."""
    return (datetime.now(UTC) + timedelta(hours=8)).date() - timedelta(days=1)

"""Asking a channel end to end: settings → keys → message → transport → answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from loaders.breaker import BreakerState
from loaders.call_log import CallLog, now
from loaders.channels import CHANNELS
from loaders.channels.protocol import RemotePart, Reply, Stamp
from loaders.errors import ConfigurationError
from loaders.records import Answer
from loaders.settings import Settings
from loaders.transport import DEFAULT_TIMEOUT_S, Intent, Policy, Transport


class Remote:
    """All channels of one home, as far as they can be asked. Safe to share among threads."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = now) -> None:
        self._settings, self._clock, self._lock = settings, clock, Lock()
        self._log = CallLog(settings.home / "logs")
        self._keys: dict[str, Any] = {}
        self._transports: dict[str, Transport] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            transports, self._transports = list(self._transports.values()), {}
        for transport in transports:
            transport.close()

    def ask(
        self, channel: str, call: str, *, intent: Intent | None = None, tries: int | None = None,
        is_paced: bool = False, **fields: Any,
    ) -> Answer[Any]:
        """Ask a channel: `ask("alipay", "query", order_no="M1")`; fields are the call's record's.

        What the channel does never raises; it is an answer, known or not. Raises
        ConfigurationError for settings and RefusedInput for fields that cannot be asked with.
        """
        part = _part(channel)
        if call not in part.CALLS:
            raise ConfigurationError(
                "{channel} does not offer the call {call}.", channel=channel, call=call
            )
        wanted, keys = part.CALLS[call], self.keys(channel)
        request = wanted.takes(**fields)
        message = wanted.ask(request, keys, Stamp(self._clock(), os.urandom(16)))
        return self.transport(channel).send(
            message, lambda reply: wanted.read(reply, request, keys), intent, tries, is_paced
        )

    def download(
        self, channel: str, url: str, take: Callable[[bytes], object], max_bytes: int
    ) -> Reply:
        """Fetch a file the channel named, piece by piece. Raises NoAnswer and RefusedInput."""
        stamp = Stamp(self._clock(), os.urandom(16))
        headers = _part(channel).download_headers(url, self.keys(channel), stamp)
        return self.transport(channel).fetch(url, take, max_bytes, headers=headers)

    def keys(self, channel: str) -> Any:
        """The channel's keys, read once. Raises ConfigurationError."""
        with self._lock:
            if channel not in self._keys:
                self._keys[channel] = _part(channel).read_keys(
                    self._settings.channels.get(channel, {}), self._settings.read_file
                )
            return self._keys[channel]

    def transport(self, channel: str) -> Transport:
        """The line to a channel, made once."""
        with self._lock:
            if channel not in self._transports:
                policy = _policy(channel, self._settings)
                self._transports[channel] = Transport(channel, self._log, policy)
            return self._transports[channel]

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Calls made so far, by channel, method and outcome."""
        return self._log.counts()

    def states(self) -> dict[str, BreakerState]:
        """For each channel asked so far, whether it is being asked at present."""
        with self._lock:
            return {name: item.state for name, item in self._transports.items()}


def _part(channel: str) -> RemotePart:
    found = CHANNELS.get(channel)
    if found is None or found.remote is None:
        raise ConfigurationError("The channel {channel} cannot be asked.", channel=channel)
    return found.remote


def _policy(channel: str, settings: Settings) -> Policy:
    config = settings.channels.get(channel, {})
    value = config.get("timeout_s", DEFAULT_TIMEOUT_S)
    try:
        timeout_s = float(value)
    except (TypeError, ValueError):
        timeout_s = 0.0
    if not 0 < timeout_s <= 600:
        raise ConfigurationError(
            "timeout_s under [channels.{channel}] in mdash.toml must be seconds, up to 600.",
            channel=channel,
        )
    return Policy(timeout_s=timeout_s, proxy=config.get("proxy") or None)


_shared: dict[Path, Remote] = {}
_shared_lock = Lock()


def shared(settings: Settings) -> Remote:
    """This process's lines to the channels of a home: breakers count all its calls together."""
    with _shared_lock:
        return _shared.setdefault(settings.home, Remote(settings))


def ask(
    settings: Settings, channel: str, call: str, *, intent: Intent | None = None, **fields: Any
) -> Answer[Any]:
    """Ask once, as a command does; see `Remote.ask`."""
    with Remote(settings) as remote:
        return remote.ask(channel, call, intent=intent, **fields)

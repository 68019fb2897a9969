"""The notification receiver (ASGI): verify, append to the durable log, answer. No database."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from loaders.channels import CHANNELS
from loaders.channels.protocol import NotificationPart
from loaders.durable_log import DurableLog, LogWriter, log_folder, refused_folder
from loaders.errors import MdashError, RefusedInput, UnknownMessage
from loaders.logs import event
from loaders.meters import Meters
from loaders.senders import BadSenders, masked
from loaders.settings import Settings

MAX_BODY_BYTES = 64 * 2**10
BODY_TIME_S = 10.0
REMEMBERED = 20_000
MOST_DELIVERIES = 40
"""Far more deliveries than any channel's ladder has: what comes on top is somebody's replay."""

_REFUSED_FILE_BYTES = 16 * 2**20
_SPARE_BYTES = 64 * 2**20
_STATUS = {
    "bad_signature": 400, "unreadable": 400, "limited": 429, "too_large": 413, "timed_out": 408,
    "not_stored": 503, "failed": 500,
}
Verdict = str


@dataclass(slots=True)
class _Delivery:
    """One request on its way through."""

    request_id: str
    channel: str
    host: str
    began: float
    length: int = 0


class _TooLarge(Exception):
    """The body is longer than any message."""


class Receiver:
    """The routes of one home's receiver. Open it with `running()` before the first request."""

    def __init__(
        self,
        settings: Settings,
        keys: Mapping[str, Any],
        meters: Meters,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._settings, self._keys, self._meters, self._sync = settings, keys, meters, sync
        self._zone = ZoneInfo(settings.shop.timezone)
        self._senders = BadSenders()
        self._known = KnownMessages()
        self._log: DurableLog | None = None
        self._refused: DurableLog | None = None
        meters.gauge("mdash_log_queue_lines", "Lines that wait for the disk.",
                     lambda: self._log.waiting if self._log else 0)
        meters.gauge("mdash_log_queue_age_seconds", "How long the oldest of them has waited.",
                     lambda: self._log.age_s if self._log else 0.0)

    def routes(self) -> list[BaseRoute]:
        """The route that channels post to."""
        return [Route("/notify/{channel}", self._notify, methods=["POST"])]

    @property
    def problem(self) -> str | None:
        """Why messages cannot be kept now, or None."""
        if self._log is None:
            return "not running"
        return self._log.failure or _disk_problem(log_folder(self._settings.home))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Receiver]:
        """The logs are open; on leaving, what waits is written and they are closed."""
        home = self._settings.home
        size = self._settings.receiver.rotate_bytes
        writer = LogWriter(log_folder(home), self._zone, size, self._sync)
        self._log = DurableLog(writer, self._meters.synced)
        noted = LogWriter(refused_folder(home), self._zone, _REFUSED_FILE_BYTES, _not_synced)
        self._refused = DurableLog(noted)
        event("receiver started", receiver=writer.receiver, channels=sorted(self._keys))
        try:
            yield self
        finally:
            log, refused, self._log, self._refused = self._log, self._refused, None, None
            await log.close()
            await refused.close()
            event("receiver stopped", receiver=writer.receiver)

    async def _notify(self, request: Request) -> Response:
        name = request.path_params["channel"]
        channel = CHANNELS.get(name)
        if channel is None or channel.notifications is None or name not in self._keys:
            return Response(status_code=404)
        host = request.client.host if request.client else ""
        delivery = _Delivery(uuid4().hex, name, host, time.perf_counter())
        try:
            verdict = await self._receive(request, delivery, channel.notifications)
        except Exception as error:
            event("delivery failed", logging.ERROR, error=error, request_id=delivery.request_id)
            verdict = "failed"
        return self._answer(verdict, delivery, channel.notifications)

    def _answer(
        self, verdict: Verdict, delivery: _Delivery, part: NotificationPart
    ) -> Response:
        status = _STATUS.get(verdict, 200)
        spent = time.perf_counter() - delivery.began
        self._meters.notifications.labels(delivery.channel, verdict).inc()
        self._meters.answer_s.labels(delivery.channel).observe(spent)
        event(
            "delivery", logging.INFO if status == 200 else logging.WARNING,
            request_id=delivery.request_id, channel=delivery.channel, verdict=verdict,
            network=masked(delivery.host), length=delivery.length, ms=round(spent * 1000, 1),
        )
        answer = part.ACCEPTED if status == 200 else part.REFUSED
        headers = {"x-request-id": delivery.request_id}
        if verdict in ("too_large", "timed_out", "limited"):
            headers["connection"] = "close"
        return Response(answer.body, status, headers, answer.media_type)

    async def _receive(
        self, request: Request, delivery: _Delivery, part: NotificationPart
    ) -> Verdict:
        if self._senders.is_limited(delivery.host):
            return "limited"
        try:
            async with asyncio.timeout(BODY_TIME_S):
                raw = await _body(request)
        except _TooLarge:
            return "too_large"
        except (TimeoutError, ClientDisconnect):
            return "timed_out"
        delivery.length = len(raw)
        headers = _kept(request, part.SIGNED_HEADERS)
        try:
            body = text_of(raw)
            now = datetime.now(UTC).replace(tzinfo=None)
            message = part.read(headers, body, self._keys[delivery.channel], now)
        except UnknownMessage:
            return await self._keep(delivery, headers, body, "unknown")
        except RefusedInput as error:
            return await self._refuse(delivery, error)
        self._senders.clear(delivery.host)
        count = self._known.deliveries(delivery.channel, message.notify_id)
        verdict = "duplicate" if count else "accepted"
        if count >= MOST_DELIVERIES:
            return verdict
        verdict = verdict if message.is_ours else "foreign"
        verdict = await self._keep(delivery, headers, body, verdict)
        if verdict != "not_stored":
            self._known.add(delivery.channel, message.notify_id)
        return verdict

    async def _keep(
        self, delivery: _Delivery, headers: Mapping[str, str], body: str, verdict: Verdict
    ) -> Verdict:
        """Append the message; what was acknowledged is on disk."""
        line = self._line(delivery, headers=headers, body=body)
        try:
            if self._log is None:
                raise OSError("the log is not open")
            await self._log.append(line)
        except OSError as error:
            event("log failed", logging.ERROR, error=error, request_id=delivery.request_id)
            return "not_stored"
        return verdict

    async def _refuse(self, delivery: _Delivery, error: MdashError) -> Verdict:
        """Note that something came which does not verify, without what it said."""
        if self._senders.refuse(delivery.host) and self._refused is not None:
            line = self._line(delivery, headers={}, body="", refused=error.template,
                              network=masked(delivery.host), length=delivery.length)
            try:
                await self._refused.append(line)
            except OSError as failure:
                event("log failed", logging.ERROR, error=failure, request_id=delivery.request_id)
        return "bad_signature"

    def _line(self, delivery: _Delivery, **fields: Any) -> bytes:
        at = datetime.now(self._zone).isoformat(timespec="milliseconds")
        document = {"received_at": at, "channel": delivery.channel, **fields}
        return json.dumps(document).encode("ascii") + b"\n"


class KnownMessages:
    """How often each of the latest messages was delivered, in bounded memory."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def deliveries(self, channel: str, notify_id: str) -> int:
        """Deliveries of this message that are on disk, as far as remembered."""
        return self._counts.get((channel, notify_id), 0)

    def add(self, channel: str, notify_id: str) -> None:
        """One delivery of this message is on disk."""
        key = channel, notify_id
        self._counts[key] = self._counts.pop(key, 0) + 1
        if len(self._counts) > self._size:
            self._counts.popitem(last=False)


async def _body(request: Request) -> bytes:
    """The whole body, if it is not too long. Raises _TooLarge."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said[:12]) > MAX_BODY_BYTES:
        raise _TooLarge
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise _TooLarge
    return bytes(body)


def text_of(raw: bytes) -> str:
    """A body as text; bytes that are not UTF-8 are percent-encoded, as a form should have had them."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)


def _kept(request: Request, names: Sequence[str]) -> dict[str, str]:
    return {name: request.headers[name] for name in names if name in request.headers}


def _disk_problem(folder: Path) -> str | None:
    if not os.access(folder, os.W_OK):
        return "the log's folder cannot be written to"
    free = shutil.disk_usage(folder).free
    return None if free >= _SPARE_BYTES else "the disk is nearly full"


def _not_synced(_: int) -> None:
    """Refusals are not acknowledged, so nobody waits for the disk."""

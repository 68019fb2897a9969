"""The log of calls to channels: one JSON line a call, appended, readable as a checkout log.

Only whitelisted fields are written: numbers, states, codes and times; no keys and no persons.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Lock
from typing import Any

from loaders.channels import CHANNELS
from loaders.channels.protocol import Message
from loaders.errors import MdashError
from loaders.privacy import mask_personal
from loaders.records import Answer

_CHINA = timezone(timedelta(hours=8))
_LONGEST = 64


def now() -> datetime:
    """The present instant, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


class CallLog:
    """Appends calls to one file a day in a folder; files of several processes mix line by line."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = now) -> None:
        self._folder, self._clock = folder, clock
        self.lost = 0
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._lock = Lock()

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Calls by channel, method and outcome: `accepted`, `refused` or `unknown`."""
        with self._lock:
            return dict(self._counts)

    def write(
        self, message: Message, answer: Answer[Any], began: datetime, elapsed_ms: int, attempt: int
    ) -> None:
        """Append one call. A full disk loses the line, not the answer: it is counted in `lost`."""
        with self._lock:
            self._counts[message.channel, message.method, _outcome(answer)] += 1
        fields = _line(message, answer, began, elapsed_ms, attempt)
        line = json.dumps(fields) + "\n"
        day = began.replace(tzinfo=UTC).astimezone(_CHINA).date().isoformat()
        name = f"calls-{day}.jsonl" if _names_order(fields) else f"other-calls-{day}.jsonl"
        try:
            self._append(self._folder / name, line.encode("ascii"))
        except OSError as error:
            self.lost += 1
            logging.getLogger(__name__).error("call log: %s", error.strerror)

    def _append(self, path: Path, line: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)


def _line(
    message: Message, answer: Answer[Any], began: datetime, elapsed_ms: int, attempt: int
) -> dict[str, Any]:
    """A raw API call as the checkout log reads it, and beside it what the call came to.

    `response` holds only what counts: an unsigned or foreign answer is told by `why` alone.
    """
    return {
        "at": began.replace(tzinfo=UTC).astimezone(_CHINA).isoformat(timespec="milliseconds"),
        "channel": message.channel,
        "method": message.method,
        "request": dict(message.noted),
        "response": dict(answer.noted),
        "elapsed_ms": elapsed_ms,
        "reached_channel": answer.was_sent,
        "try": attempt,
        "outcome": _outcome(answer),
        "said": _said(answer),
        "why": _why(answer.why),
    }


def _said(answer: Answer[Any]) -> dict[str, str | None]:
    """The codes of a signed answer; what is not signed is nobody's word."""
    if not answer.is_verified:
        return {"code": None, "sub_code": None}
    return {"code": _short(answer.code), "sub_code": _short(answer.sub_code)}


def _names_order(call: Mapping[str, Any]) -> bool:
    """True if the call is about an order, so that the checkout log's reader can take it."""
    channel = CHANNELS.get(call["channel"])
    if channel is None or channel.codes is None:
        return False
    try:
        channel.codes.read_call(call)
    except ValueError:
        return False
    return True


def _outcome(answer: Answer[Any]) -> str:
    if not answer.is_known:
        return "unknown"
    return "accepted" if answer.is_success else "refused"


def _short(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST]


def _why(error: MdashError | None) -> str | None:
    return None if error is None else mask_personal(str(error))

"""Structured logs: one JSON object a line on standard error, only from named fields.

Texts of exceptions and of messages may hold personal data, so neither is ever written: an error
is its kind and the place in the code, and everything else is a field that the caller names.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

NAME = "mdash"
_SERVERS = ("uvicorn.error",)


class JsonFormatter(logging.Formatter):
    """A record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's time, level, event and fields."""
        at = datetime.fromtimestamp(record.created, UTC)
        document: dict[str, Any] = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            document["error"] = record.exc_info[0].__name__
            document["where"] = _where(record.exc_info[2])
        return json.dumps(document, ensure_ascii=False, default=str)


def _where(place: Any) -> list[str]:
    """The innermost frames of a traceback as file:line."""
    frames = traceback.extract_tb(place)[-4:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames]


class _Record(logging.LogRecord):
    """A record, of any library, whose traceback tells kinds and places and no texts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0] is not None:
            self.exc_text = f"{self.exc_info[0].__name__}: {' '.join(_where(self.exc_info[2]))}"


def configure(level: int = logging.INFO) -> None:
    """Send the program's own events, and its server's, to standard error as JSON.

    From now on no logger of this process writes the text of an exception.
    """
    logging.setLogRecordFactory(_Record)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in (NAME, *_SERVERS):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)


def event(what: str, level: int = logging.INFO, *, error: BaseException | None = None,
          **fields: Any) -> None:
    """Log one event with its fields."""
    logging.getLogger(NAME).log(level, what, extra={"fields": fields}, exc_info=error)

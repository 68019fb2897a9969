"""The job for checkout logs: what the shop's own checkout did, as staged rows.

JSON Lines or CSV of events, or the raw log of API calls.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from loaders.channels import CHANNELS
from loaders.errors import RefusedInput
from loaders.messages import (
    CHINA,
    CHUNK_LINES,
    MAX_LINE_BYTES,
    Chunk,
    line_key,
    packed,
    read_chunks,
    stage_chunks,
)
from loaders.privacy import pseudonym, pseudonym_key
from loaders.records import Reject, fen_of_yuan
from loaders.settings import Settings
from loaders.staging import Load, Staged

SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("line_key", pa.int64()),
        ("hint_day", pa.date32()),
        ("event", pa.string()),
        ("order_no", pa.string()),
        ("channel", pa.string()),
        ("happened_at", pa.timestamp("us")),
        ("product", pa.string()),
        ("client", pa.string()),
        ("store", pa.string()),
        ("campaign", pa.string()),
        ("buyer", pa.string()),
        ("amount_fen", pa.int64()),
        ("expires_at", pa.timestamp("us")),
        ("items", pa.string()),
        ("attempt", pa.int32()),
        ("method", pa.string()),
        ("is_payment", pa.bool_()),
        ("reached_channel", pa.bool_()),
        ("code", pa.string()),
        ("sub_code", pa.string()),
        ("elapsed_ms", pa.int64()),
        ("reason", pa.string()),
        ("source", pa.string()),
        ("stage", pa.string()),
        ("is_known", pa.bool_()),
        ("says", pa.string()),
        ("channel_paid_at", pa.timestamp("us")),
        ("trade_no", pa.string()),
        ("refund_no", pa.string()),
        ("closed_by", pa.string()),
    ]
)
_EVENTS = ("order", "attempt", "close")
_CLOSERS = ("buyer", "merchant", "timeout")


def looks_like_log(lines: list[str]) -> bool:
    """True if one of these lines is a checkout event, an API call, or the CSV's header."""
    return bool(lines) and (_is_csv_header(lines[0]) or any(map(_is_event, lines)))


def _is_csv_header(line: str) -> bool:
    return {"event", "order_no", "at"} <= set(line.lstrip("\ufeff").strip().split(","))


def _is_event(line: str) -> bool:
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    if not isinstance(fields, dict) or "at" not in fields:
        return False
    return "event" in fields or {"method", "response"} <= set(fields)


def stage(path: Path, load: Load, settings: Settings, work: Path) -> Staged:
    """Read a checkout log into staged rows."""
    secret = pseudonym_key(settings.home)
    with path.open("rb") as file:
        header = file.readline(MAX_LINE_BYTES).decode("utf-8", errors="replace")
    is_csv = _is_csv_header(header)
    chunks = _csv_chunks(path, secret) if is_csv else read_chunks(path, partial(read_lines, secret))
    target = work / f"checkout-{load.sha256[:16]}.parquet"
    stage_chunks(chunks, load, SCHEMA, target)
    return Staged(load, "checkout_log", [target])


def _csv_chunks(path: Path, secret: bytes) -> Iterator[Chunk]:
    """A CSV's rows as events; a row's number is the line it ends in."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        while rows := list(islice(reader, CHUNK_LINES)):
            gathered = _Rows(secret)
            for at, row in enumerate(rows, start=reader.line_num - len(rows) + 1):
                fields = {key: value for key, value in row.items() if key and value not in (None, "")}
                gathered.add(at, partial(dict, fields))
            yield gathered.chunk()


def read_lines(secret: bytes, lines: list[bytes], first_line: int) -> Chunk:
    """Read some JSON lines into checkout rows."""
    gathered = _Rows(secret)
    for number, raw in enumerate(lines, start=first_line):
        raw = raw.strip()
        if raw:
            gathered.add(number, partial(_json_object, raw))
    return gathered.chunk()


class _Rows:
    """Rows and rejects while a chunk is being read."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._rows: list[dict[str, Any]] = []
        self._rejects: list[Reject] = []

    def add(self, number: int, read: Callable[[], dict[str, Any]]) -> None:
        """Take the event that `read` gives, or reject its line."""
        try:
            row = _row(read(), self._secret)
        except RefusedInput as error:
            self._rejects.append(Reject(number, error.template, error.values))
            return
        row["line_key"] = _event_key(row)
        self._rows.append({"line": number, **row})

    def chunk(self) -> Chunk:
        """What was taken."""
        heard = [row["happened_at"] for row in self._rows]
        return packed(self._rows, self._rejects, SCHEMA, heard)


def _json_object(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_LINE_BYTES:
        raise RefusedInput("The line is longer than any event.")
    try:
        fields = json.loads(raw)
    except ValueError as error:
        raise RefusedInput("The line is not JSON.") from error
    if not isinstance(fields, dict):
        raise RefusedInput("The line is not a JSON object.")
    return fields


def _event_key(row: Mapping[str, Any]) -> int:
    """The same event has the same key, whether it came as JSON or as CSV."""
    buffer = io.StringIO()
    for name in sorted(row):
        if row[name] is not None:
            buffer.write(f"{name}={row[name]}\x1f")
    return line_key(buffer.getvalue().encode())


def _row(fields: dict[str, Any], secret: bytes) -> dict[str, Any]:
    if "event" not in fields and "method" in fields:
        fields = _call_fields(fields)
    event = fields.get("event")
    if event not in _EVENTS:
        raise RefusedInput(
            "The event is {event}, not order, attempt or close.", event=str(event)[:20]
        )
    at = _instant(fields, "at")
    order_no = _text(fields, "order_no")
    if at is None or order_no is None:
        raise RefusedInput("The event lacks {field}.", field="at" if at is None else "order_no")
    row: dict[str, Any] = {
        "hint_day": (at + CHINA).date(),
        "event": event,
        "order_no": order_no,
        "happened_at": at,
        "channel": _text(fields, "channel"),
    }
    readers = {"order": _order, "attempt": _attempt, "close": _close}
    return row | readers[event](fields, secret, at)


def _call_fields(call: dict[str, Any]) -> dict[str, Any]:
    method = str(call.get("method") or "")
    channel = CHANNELS.get(method.split(".", 1)[0])
    if channel is None or channel.codes is None:
        raise RefusedInput("The call's method {method} is of no known channel.", method=method[:40])
    try:
        read = channel.codes.read_call(call)
    except ValueError as error:
        raise RefusedInput("The call names no order (out_trade_no).") from error
    return {
        "event": "attempt",
        "at": call.get("at"),
        "channel": channel.name,
        "elapsed_ms": call.get("elapsed_ms"),
        **read,
    }


def _order(fields: Mapping[str, Any], secret: bytes, at: datetime) -> dict[str, Any]:
    channel = fields.get("channel")
    if not channel:
        raise RefusedInput("The order lacks {field}.", field="channel")
    if channel not in CHANNELS:
        raise RefusedInput("The order's channel {channel} is not known.", channel=str(channel)[:20])
    expires_at = _instant(fields, "expires_at")
    if expires_at is not None and expires_at <= at:
        raise RefusedInput("The order expires before it was created.")
    buyer = _text(fields, "buyer")
    items = fields.get("items")
    return {
        "amount_fen": _amount(fields),
        "expires_at": expires_at,
        "product": _text(fields, "product"),
        "client": _text(fields, "client"),
        "store": _text(fields, "store"),
        "campaign": _text(fields, "campaign"),
        "buyer": pseudonym(secret, "shop", buyer) if buyer else None,
        "items": (
            items
            if items is None or isinstance(items, str)
            else json.dumps(items, ensure_ascii=False, separators=(",", ":"))
        ),
    }


def _amount(fields: Mapping[str, Any]) -> int:
    value = fields.get("amount")
    if value is None:
        raise RefusedInput("The order lacks {field}.", field="amount")
    try:
        amount = fen_of_yuan(value if isinstance(value, str) else str(value))
    except ValueError as error:
        raise RefusedInput("The order's amount is not a plain decimal yuan amount.") from error
    if amount < 0:
        raise RefusedInput("The order's amount is negative.")
    return amount


def _attempt(fields: Mapping[str, Any], _secret: bytes, _at: datetime) -> dict[str, Any]:
    method = _text(fields, "method")
    channel = CHANNELS.get(_text(fields, "channel") or (method or "").split(".", 1)[0])
    if channel is None:
        channel = next(iter(CHANNELS.values())) if method is None else None
    codes = channel.codes if channel else None
    reached = _flag(fields.get("reached_channel", True))
    code, sub_code = _text(fields, "code"), _text(fields, "sub_code")
    if codes is None:
        raise RefusedInput("The attempt's method {method} is of no known channel.",
                           method=str(method)[:40])
    outcome = codes.answer(method, reached, code, sub_code)
    return {
        "channel": _text(fields, "channel") or (channel.name if channel and method else None),
        "attempt": _whole(fields, "attempt"),
        "method": method,
        "is_payment": codes.is_payment_call(method),
        "reached_channel": reached,
        "code": code,
        "sub_code": sub_code,
        "elapsed_ms": _whole(fields, "elapsed_ms"),
        "reason": outcome.reason,
        "source": outcome.source,
        "stage": outcome.stage,
        "is_known": outcome.known,
        "says": _text(fields, "says"),
        "channel_paid_at": fields.get("channel_paid_at"),
        "trade_no": _text(fields, "trade_no"),
        "refund_no": _text(fields, "refund_no"),
    }


def _close(fields: Mapping[str, Any], _secret: bytes, _at: datetime) -> dict[str, Any]:
    by = _text(fields, "by")
    if by is not None and by not in _CLOSERS:
        raise RefusedInput("The order was closed by {by}, not buyer, merchant or timeout.",
                           by=by[:20])
    return {"closed_by": by}


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None or value == "" else str(value)


def _whole(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        return int(float(value))
    except (TypeError, ValueError) as error:
        raise RefusedInput("The event's {field} is not a number.", field=name) from error


def _flag(value: object) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("true", "1", "yes")


def _instant(fields: Mapping[str, Any], name: str) -> datetime | None:
    """A time of the log as naive UTC; without a zone it is China time."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        at = datetime.fromisoformat(str(value))
        offset = at.utcoffset()
        return at.replace(tzinfo=None) - (CHINA if offset is None else offset)
    except (ValueError, OverflowError) as error:
        raise RefusedInput("The event's {field} is not a time.", field=name) from error

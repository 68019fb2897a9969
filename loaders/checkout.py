"""The job for checkout logs: what the shop's own checkout did, as staged rows.

JSON Lines or CSV of events, or the raw log of API calls.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from loaders.channels import CHANNELS, channel_of_call
from loaders.errors import RefusedInput
from loaders.messages import (
    CHINA,
    CHUNK_LINES,
    MAX_LINE_BYTES,
    MAX_TEXT,
    ODD_CONTENT,
    Chunk,
    instant,
    line_key,
    packed,
    read_chunks,
    stage_chunks,
)
from loaders.privacy import holds_card, mask_personal, pseudonym, pseudonym_key
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
        ("campaign_group", pa.string()),
        ("discount_fen", pa.int64()),
        ("consent", pa.bool_()),
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
        ("may_pay", pa.bool_()),
        ("says", pa.string()),
        ("channel_paid_at", pa.timestamp("us")),
        ("trade_no", pa.string()),
        ("refund_no", pa.string()),
        ("closed_by", pa.string()),
    ]
)
NOT_AN_EVENT = "The line's values are of kinds that no event has."
_EVENTS = ("order", "attempt", "close")
_CALL_ONLY = ("says", "channel_paid_at", "paid_amount", "trade_no", "refund_no")
"""What only the channel's own answer in a call log may say."""
_FREE_TEXT = frozenset(
    {"product", "client", "store", "campaign", "items", "method", "code", "sub_code"}
)
"""What people write as they like, or might write where a code should be; numbers stay."""
_CLOSERS = ("buyer", "merchant", "timeout")


def looks_like_log(lines: list[str]) -> bool:
    """True if one of these lines is a checkout event, an API call, or the CSV's header."""
    return bool(lines) and (_is_csv_header(lines[0]) or any(map(_is_event, lines)))


def _is_csv_header(line: str) -> bool:
    names = next(csv.reader([line.lstrip("\ufeff").strip()]), [])
    return {"event", "order_no", "at"} <= {name.strip() for name in names}


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
    """A CSV's rows as events; a row's number is the line it ends in. Raises RefusedInput."""
    with path.open(encoding=_csv_encoding(path), newline="") as file:
        reader = csv.DictReader(file, strict=True)
        gathered = _Rows(secret)
        try:
            for count, row in enumerate(reader, start=1):
                fields = {name: value for name, value in row.items() if name and value}
                gathered.add(reader.line_num, partial(dict, fields))
                if count % CHUNK_LINES == 0:
                    yield gathered.chunk()
                    gathered = _Rows(secret)
        except (csv.Error, UnicodeDecodeError) as error:
            raise RefusedInput(
                "The CSV is damaged near line {line}: an unclosed quote, or bytes that are no text.",
                line=reader.line_num,
            ) from error
        yield gathered.chunk()


def _csv_encoding(path: Path) -> str:
    """UTF-8 unless the beginning is not; then GB18030, which Excel in China writes."""
    with path.open("rb") as file:
        head = file.read(MAX_LINE_BYTES)
    text = codecs.getincrementaldecoder("utf-8")()
    try:
        text.decode(head)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8-sig"


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
        self._cards: list[int] = []

    def add(self, number: int, read: Callable[[], dict[str, Any]]) -> None:
        """Take the event that `read` gives, or reject its line."""
        try:
            fields = read()
            row = _row(fields, self._secret)
            row["line_key"] = _event_key(row)
        except RefusedInput as error:
            self._rejects.append(Reject(number, error.template, error.values))
        except ODD_CONTENT:
            self._rejects.append(Reject(number, NOT_AN_EVENT))
        else:
            self._rows.append({"line": number, **row})
            if _held_card(row, fields):
                self._cards.append(number)

    def chunk(self) -> Chunk:
        """What was taken."""
        heard = [row["happened_at"] for row in self._rows if not _is_question(row)]
        return packed(self._rows, self._rejects, SCHEMA, heard, self._cards)


def _held_card(row: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """True if a full card number was masked; only a text with a star in it can have held one."""
    return any(
        "*" in row[name] and holds_card(str(fields.get(name)))
        for name in _FREE_TEXT
        if row.get(name)
    )


def _is_question(row: Mapping[str, Any]) -> bool:
    """True for a call that is no payment: it does not say how far the checkout's own log goes."""
    return row["event"] == "attempt" and not row["is_payment"]


def _json_object(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_LINE_BYTES:
        raise RefusedInput("The line is longer than any event.")
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError) as error:
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
    fields = {name: value for name, value in fields.items() if name not in _CALL_ONLY}
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
    channel = channel_of_call(method)
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
        "amount_fen": _amount(fields, "amount"),
        "expires_at": expires_at,
        "product": _text(fields, "product"),
        "client": _text(fields, "client"),
        "store": _text(fields, "store"),
        "campaign": _text(fields, "campaign"),
        "buyer": pseudonym(secret, "shop", buyer) if buyer else None,
        "campaign_group": _text(fields, "group"),
        "discount_fen": _amount(fields, "discount") if _is_given(fields, "discount") else None,
        "consent": _flag(fields["consent"]) if _is_given(fields, "consent") else None,
        "items": (
            None
            if items is None
            else mask_personal(
                items
                if isinstance(items, str)
                else json.dumps(items, ensure_ascii=False, separators=(",", ":"))
            )
        ),
    }


def _amount(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if value is None:
        raise RefusedInput("The order lacks {field}.", field=name)
    try:
        amount = fen_of_yuan(value if isinstance(value, str) else str(value))
    except ValueError as error:
        raise RefusedInput(
            "The order's {field} is not a plain decimal yuan amount.", field=name
        ) from error
    if amount < 0:
        raise RefusedInput("The order's {field} is negative.", field=name)
    return amount


def _is_given(fields: Mapping[str, Any], name: str) -> bool:
    return fields.get(name) not in (None, "")


def _attempt(fields: Mapping[str, Any], _secret: bytes, _at: datetime) -> dict[str, Any]:
    method = _text(fields, "method")
    found = CHANNELS.get(_text(fields, "channel") or "") or channel_of_call(method or "")
    codes = (found or next(iter(CHANNELS.values()))).codes
    reached = _flag(fields.get("reached_channel", True))
    code, sub_code = _text(fields, "code"), _text(fields, "sub_code")
    assert codes is not None
    outcome = codes.answer(method, reached, code, sub_code)
    return {
        "channel": found.name if found else None,
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
        "may_pay": outcome.may_pay,
        "says": _text(fields, "says"),
        "amount_fen": _amount(fields, "paid_amount") if fields.get("paid_amount") else None,
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
    if value is None or value == "":
        return None
    if isinstance(value, bool | dict | list):
        raise RefusedInput("The event's {field} is not a text.", field=name)
    text = str(value)
    if "\0" in text or len(text) > MAX_TEXT or not text.isprintable():
        raise RefusedInput("The event's {field} is not a text.", field=name)
    return mask_personal(text) if name in _FREE_TEXT else text


def _whole(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        number = int(float(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise RefusedInput("The event's {field} is not a number.", field=name) from error
    if not 0 <= number < 2**31:
        raise RefusedInput("The event's {field} is not a number.", field=name)
    return number


def _flag(value: object) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("true", "1", "yes")


def _instant(fields: Mapping[str, Any], name: str) -> datetime | None:
    """A time of the log as naive UTC; without a zone it is China time."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    at = instant(value)
    if at is None:
        raise RefusedInput("The event's {field} is not a time.", field=name)
    return at

"""The job for notification logs: lines → verified notifications → staged rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loaders.channels import CHANNELS
from loaders.columns import texts
from loaders.errors import BadSignature, ConfigurationError, MdashError, RefusedInput
from loaders.messages import (
    CHINA,
    MAX_LINE_BYTES,
    ODD_CONTENT,
    Chunk,
    instant,
    line_key,
    packed,
    read_chunks,
    stage_chunks,
)
from loaders.privacy import CARD_HINT, is_card, pseudonym, pseudonym_key
from loaders.records import Notification, Reject
from loaders.settings import Settings
from loaders.staging import Load, Staged

SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("line_key", pa.int64()),
        ("hint_day", pa.date32()),
        ("channel", pa.string()),
        ("verdict", pa.string()),
        ("received_at", pa.timestamp("us")),
        ("is_receipt_time_known", pa.bool_()),
        ("notify_id", pa.string()),
        ("order_no", pa.string()),
        ("trade_no", pa.string()),
        ("status", pa.string()),
        ("proves_paid", pa.bool_()),
        ("is_refund", pa.bool_()),
        ("is_closed", pa.bool_()),
        ("amount_fen", pa.int64()),
        ("refunded_total_fen", pa.int64()),
        ("refund_fen", pa.int64()),
        ("refund_no", pa.string()),
        ("created_at", pa.timestamp("us")),
        ("paid_at", pa.timestamp("us")),
        ("refunded_at", pa.timestamp("us")),
        ("closed_at", pa.timestamp("us")),
        ("payer", pa.string()),
    ]
)
_NUMBERS = ("order_no", "trade_no", "refund_no", "notify_id")
_LONG_NUMBER = re.compile(r"(?<![0-9])[0-9]{13,19}(?![0-9])")
_SNIFFED_LINES = 50
NOT_KNOWN = "The line is not a notification in a known shape."
REFUSED = (
    "The receiver refused the message: its signature did not verify. Only that it came was kept."
)
FOREIGN = "The message is genuine, but of another app or seller; it is not counted as a payment."


@dataclass(frozen=True, slots=True)
class Envelope:
    """One line of a log, opened but not yet verified."""

    channel: str
    received_at: datetime | None
    headers: dict[str, str]
    message: str | dict[str, Any]
    is_refused: bool = False


def looks_like_log(lines: list[str]) -> bool:
    """True if one of these lines is a notification in a shape this job reads."""
    return any(_open(line) is not None for line in lines)


def _open(line: str) -> Envelope | None:
    """The envelope of a line, or None where it has none of the known shapes."""
    text = line.strip()
    if text.startswith("["):
        text = text.removesuffix("[]").rstrip()
        text = text[max(text.find("{"), 0) :]
    if not text.startswith("{"):
        return _bare(text)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    if isinstance(fields.get("body"), str) and ("channel" in fields or "received_at" in fields):
        return _enveloped(fields)
    return _bare(fields)


def _bare(message: str | dict[str, Any]) -> Envelope | None:
    for channel in CHANNELS.values():
        if channel.notifications and channel.notifications.is_message(message):
            return Envelope(channel.name, None, {}, message)
    return None


def _enveloped(fields: Mapping[str, Any]) -> Envelope | None:
    headers = fields.get("headers") or {}
    if not isinstance(headers, dict):
        return None
    channel = fields.get("channel")
    if channel is None:
        guess = _bare(str(fields["body"]))
        channel = guess.channel if guess else None
    return Envelope(
        channel=str(channel),
        received_at=instant(fields.get("received_at")),
        headers={str(key).lower(): str(value) for key, value in headers.items()},
        message=str(fields["body"]),
        is_refused="refused" in fields,
    )


def read_keys(settings: Settings, spoken: str | None = None) -> dict[str, Any]:
    """Verification keys of every configured channel.

    Raises ConfigurationError if there is none, for the channel `spoken` if it is among them, and
    if those that the settings name cannot be read.
    """
    keys: dict[str, Any] = {}
    problems: dict[str, ConfigurationError] = {}
    for channel in CHANNELS.values():
        if channel.notifications is None:
            continue
        try:
            keys[channel.name] = channel.notifications.read_keys(
                settings.channels.get(channel.name, {}), settings.read_file
            )
        except ConfigurationError as error:
            problems[channel.name] = error
            if any(key.endswith("_file") for key in settings.channels.get(channel.name, {})):
                raise
    if not keys and problems:
        raise problems.get(spoken or "", next(iter(problems.values())))
    return keys


def _spoken(path: Path) -> str | None:
    """The channel of a log's first message."""
    with path.open("rb") as file:
        for raw in islice(iter(partial(file.readline, MAX_LINE_BYTES), b""), _SNIFFED_LINES):
            envelope = _open(raw.decode("utf-8", errors="replace"))
            if envelope is not None:
                return envelope.channel
    return None


def read_lines(
    config: Mapping[str, Any], lines: list[bytes], first_line: int
) -> Chunk:
    """Verify and read some lines. `config`: `settings` for keys, `secret` for pseudonyms."""
    keys, secret = _keys_of(config["settings"]), config["secret"]
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    heard: list[datetime] = []
    for number, raw in enumerate(lines, start=first_line):
        raw = raw.strip()
        if not raw:
            continue
        try:
            row = _read_line(raw, keys, secret)
        except MdashError as error:
            rejects.append(Reject(number, error.template, error.values))
            if isinstance(error, BadSignature):
                rows.append({"line": number, **_unverified(raw)})
            continue
        except ODD_CONTENT:
            rejects.append(Reject(number, NOT_KNOWN))
            continue
        if row["verdict"] == "foreign":
            rejects.append(Reject(number, FOREIGN))
        if row["received_at"] is not None:
            heard.append(row["received_at"])
        rows.append({"line": number, **row})
    return packed(rows, rejects, SCHEMA, heard, _lines_with_cards(lines, first_line, rows))


def _lines_with_cards(
    lines: list[bytes], first_line: int, rows: list[dict[str, Any]]
) -> list[int]:
    """Lines in which a full card number stands that is none of the message's own numbers."""
    text = [line.decode("utf-8", errors="replace") for line in lines]
    hits = pc.match_substring_regex(texts(text), CARD_HINT).to_pylist()
    if not any(hits):
        return []
    own = {row["line"]: {str(row.get(name)) for name in _NUMBERS} for row in rows}
    return [
        first_line + at
        for at, is_hit in enumerate(hits)
        if is_hit and any(
            is_card(number) and number not in own.get(first_line + at, ())
            for number in _LONG_NUMBER.findall(text[at])
        )
    ]


_KEYS: dict[str, dict[str, Any]] = {}


def _keys_of(settings: Settings) -> dict[str, Any]:
    """Keys are read once in each process."""
    name = str(settings.home) + repr(sorted(settings.channels.items()))
    if name not in _KEYS:
        _KEYS.clear()
        _KEYS[name] = read_keys(settings)
    return _KEYS[name]


def _read_line(raw: bytes, keys: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    envelope = _envelope(raw)
    channel = CHANNELS.get(envelope.channel)
    if channel is None or channel.notifications is None or channel.name not in keys:
        raise RefusedInput(
            "A message of the channel {channel}, for which no key is configured.",
            channel=envelope.channel[:20],
        )
    if envelope.is_refused:
        raise BadSignature(REFUSED)
    message = channel.notifications.read(
        envelope.headers, envelope.message, keys[channel.name], envelope.received_at
    )
    return {
        **_columns(message, channel.name, secret),
        "line_key": line_key(raw),
        "received_at": envelope.received_at or message.sent_at,
        "is_receipt_time_known": envelope.received_at is not None,
    }


def _envelope(raw: bytes) -> Envelope:
    if len(raw) > MAX_LINE_BYTES:
        raise RefusedInput("The line is longer than any message.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedInput("The line is not UTF-8 text.") from error
    envelope = _open(text)
    if envelope is None:
        raise RefusedInput(NOT_KNOWN)
    return envelope


def _columns(message: Notification, channel: str, secret: bytes) -> dict[str, Any]:
    hint = message.created_at or message.paid_at or message.sent_at
    if hint is None:
        raise RefusedInput("The message names no time.")
    payer = message.payer_id
    return {
        "hint_day": (hint + CHINA).date(),
        "channel": channel,
        "verdict": "valid" if message.is_ours else "foreign",
        "notify_id": message.notify_id,
        "order_no": message.order_no,
        "trade_no": message.trade_no,
        "status": message.status,
        "proves_paid": message.proves_paid,
        "is_refund": message.is_refund,
        "is_closed": message.is_closed,
        "amount_fen": message.amount_fen,
        "refunded_total_fen": message.refunded_total_fen,
        "refund_fen": message.refund_fen,
        "refund_no": message.refund_no,
        "created_at": message.created_at,
        "paid_at": message.paid_at,
        "refunded_at": message.refunded_at,
        "closed_at": message.closed_at,
        "payer": pseudonym(secret, channel, payer) if payer else None,
    }


def _unverified(raw: bytes) -> dict[str, Any]:
    """What may be kept of a message that does not verify: that it came, and when."""
    envelope = _envelope(raw)
    at = envelope.received_at
    return {
        "line_key": line_key(raw),
        "hint_day": (at + CHINA).date() if at else None,
        "channel": envelope.channel,
        "verdict": "bad_signature",
        "received_at": at,
        "is_receipt_time_known": at is not None,
    }


def stage(path: Path, load: Load, settings: Settings, work: Path) -> Staged:
    """Read a notification log into staged rows. Raises ConfigurationError without a key."""
    read_keys(settings, _spoken(path))
    config = {"settings": settings, "secret": pseudonym_key(settings.home)}
    target = work / f"deliveries-{load.sha256[:16]}.parquet"
    stage_chunks(read_chunks(path, partial(read_lines, config)), load, SCHEMA, target)
    return Staged(load, "deliveries", [target])

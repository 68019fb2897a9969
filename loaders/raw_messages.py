"""A notification as it came, read again from its log with everything personal left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from loaders.durable_log import log_folder
from loaders.messages import MAX_LINE_BYTES, line_key
from loaders.privacy import mask_cards
from loaders.settings import Settings

SHOWN = frozenset({
    # Alipay
    "app_id", "auth_app_id", "charset", "gmt_close", "gmt_create", "gmt_payment", "gmt_refund",
    "invoice_amount", "buyer_pay_amount", "notify_id", "notify_time", "notify_type", "out_biz_no",
    "out_trade_no", "point_amount", "receipt_amount", "refund_fee", "refund_status", "seller_id",
    "send_back_fee", "sign_type", "total_amount", "trade_no", "trade_status", "version",
    # WeChat Pay
    "create_time", "event_type", "id", "resource_type", "summary",
})
"""Fields that say nothing of a person. All others are named, and their values are not shown."""
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message's fields in their order; the value is None where it is not shown."""

    received_at: str | None
    fields: tuple[tuple[str, str | None], ...]


def raw_message(settings: Settings, file: str, line: int, key: int) -> RawMessage | None:
    """The message at a line of the notification log; None if that line is not there any more."""
    folder = log_folder(settings.home).resolve()
    path = (folder / file).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        return None
    raw = _line(path, line)
    if line_key(raw) != key:
        return None
    try:
        envelope = json.loads(raw)
        return RawMessage(str(envelope.get("received_at") or "") or None,
                          tuple(_fields(str(envelope["body"]))))
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None


def _line(path: Path, number: int) -> bytes:
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(MAX_LINE_BYTES), b"")
        return next(islice(lines, number - 1, number), b"").strip()


def _fields(body: str) -> Iterator[tuple[str, str | None]]:
    for name, value in _pairs(body):
        name = mask_cards(name)[:_LONGEST]
        is_shown = name in SHOWN and isinstance(value, str | int)
        yield name, mask_cards(str(value))[:_LONGEST] if is_shown else None


def _pairs(body: str) -> list[tuple[str, Any]]:
    text = body.strip()
    if text.startswith("{"):
        found = json.loads(text)
        return list(found.items()) if isinstance(found, Mapping) else []
    return list(parse_qsl(text, keep_blank_values=True))

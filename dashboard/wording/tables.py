"""Rows as a table shows them: worded headings, yuan, local times, spans and classes in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from dashboard.wording import Say
from dashboard.wording.formats import instant, seconds
from dashboard.wording.labels import FIELDS, WORDED, WORDS

Shape = Literal["text", "count", "money", "percent"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its field, heading, and how its values are shaped."""

    name: str
    heading: str
    shape: Shape


def columns(names: Sequence[str], say: Say) -> list[Column]:
    """The columns of these fields."""
    return [Column(name, say(FIELDS.get(name, name)), _shape(name)) for name in names]


def _shape(name: str) -> Shape:
    if name.endswith("_fen"):
        return "money"
    if name == "rate" or name.endswith("_rate") or name in _SHARES:
        return "percent"
    if name in _COUNTS:
        return "count"
    return "text"


_SHARES = frozenset(
    {
        "low", "high", "uplift", "uplift_low", "uplift_high", "new_uplift", "new_uplift_low",
        "new_uplift_high", "holdout_uplift", "holdout_uplift_low", "holdout_uplift_high",
        "holdout_new_uplift", "holdout_new_uplift_low", "holdout_new_uplift_high", "matched_share",
        "support", "confidence",
    }
)
_COUNTS = frozenset(
    {
        "orders", "open", "matured", "paid", "refunds", "buyers", "succeeded", "attempts", "count",
        "missing", "skewed", "expected", "received", "duplicates", "bad_signature", "mismatched",
        "refunded", "rows", "rejected", "line", "load_id", "returned", "repeated", "new_buyers",
        "needed", "needed_held", "needed_days", "spared", "bought", "together", "hits",
        "returning_buyers", "unproven", "followed", "expected_orders", "asks", "items", "age",
        "payments", "overcharges", "overdue_days", "gaps", "cells",
        "compared_orders", "matched_orders", "holdout_orders", "day30_buyers", "day30_returned",
    }
)
_FACTORS = frozenset({"lift", "lift_low", "lift_high"})


def table(
    rows: Sequence[Mapping[str, Any]], shown: Sequence[Column], say: Say, language: str,
    timezone: str,
) -> dict[str, list[Any]]:
    """Values by heading. Money is in yuan; instants are shop-local text with their zone."""
    return {
        column.heading: [_cell(row.get(column.name), column, say, language, timezone) for row in rows]
        for column in shown
    }


def _cell(value: Any, column: Column, say: Say, language: str, timezone: str) -> Any:
    if value is None:
        return None
    if column.shape == "money":
        return float(value) / 100
    if column.name == "hour":
        return f"{value:%Y-%m-%d %H:00}"
    if column.name.endswith("_s"):
        return seconds(value, language)
    if isinstance(value, datetime):
        return instant(value, timezone)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "✓" if value else "—"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, tuple):
        return " × ".join(word(part, say) for part in value if part)
    if column.name in WORDED:
        return say(WORDS.get(value, value))
    return round(value, 2) if column.name in _FACTORS else value


def note(template: str, values: Mapping[str, object], say: Say) -> str:
    """A sentence about an answer, its sources and channels in words."""
    worded = {
        name: " / ".join(word(part, say) for part in re.split(" / |、", str(value)))
        if name in ("source", "channels") else value
        for name, value in values.items()
    }
    return say(template, **worded)


def word(value: str | None, say: Say) -> str:
    """A class or source in words."""
    return say(WORDS.get(value or "", value or "—"))

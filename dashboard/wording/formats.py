"""Numbers, money, times and spans as a person reads them, in their language."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

_LOCALES = {"zh": "zh_Hans_CN", "en": "en_US"}
NOTHING = "—"


def number(value: int | float | None, language: str) -> str:
    """A count with its thousands separators."""
    from babel.numbers import format_decimal

    return NOTHING if value is None else format_decimal(value, locale=_LOCALES[language])


def money(fen: int | float | Decimal | None, language: str) -> str:
    """Fen as yuan with the currency sign."""
    from babel.numbers import format_currency

    if fen is None:
        return NOTHING
    yuan = Decimal(str(fen)) / 100
    text: str = format_currency(yuan, "CNY", locale=_LOCALES[language])
    return text.replace("CN¥", "¥")


def percent(rate: float | None, language: str, digits: int = 1) -> str:
    """A fraction as a percentage."""
    from babel.numbers import format_percent

    if rate is None:
        return NOTHING
    pattern = "0." + "0" * digits + "%"
    text: str = format_percent(rate, format=pattern, locale=_LOCALES[language])
    return text


def instant(at: datetime | None, timezone: str) -> str:
    """A naive UTC instant in the shop's zone, with the zone's offset."""
    if at is None:
        return NOTHING
    local = at.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone))
    return f"{local:%Y-%m-%d %H:%M:%S} UTC{local:%z}"[:-2]


def iso(at: datetime | None, timezone: str) -> str | None:
    """A naive UTC instant as ISO 8601 with the shop's offset."""
    if at is None:
        return None
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).isoformat()


def day(value: date | None) -> str:
    """A day as everybody writes it."""
    return NOTHING if value is None else value.isoformat()


def seconds(value: float | str | None, language: str) -> str:
    """A span; `"inf"` is said as more than the 25 hours a channel keeps trying."""
    if value is None:
        return NOTHING
    if value == "inf" or math.isinf(float(value)):
        return "> 25 小时" if language == "zh" else "> 25 h"
    span = float(value)
    units = (("小时", "h", 3600.0), ("分", "min", 60.0), ("秒", "s", 1.0), ("毫秒", "ms", 0.001))
    for chinese, english, size in units:
        if span >= size or size == 0.001:
            return f"{span / size:.3g} {chinese if language == 'zh' else english}"
    return NOTHING


def points(change: float | None, language: str) -> str:
    """A difference of two fractions in percentage points, signed."""
    if change is None:
        return NOTHING
    unit = "个百分点" if language == "zh" else "pp"
    return f"{change * 100:+.1f} {unit}".replace("-", "−")


def change(
    value: int | float | Decimal | None, before: int | float | Decimal | None, shape: str,
    language: str,
) -> str | None:
    """How a number moved, signed: rates in percentage points, others in percent. None if unknown."""
    if value is None or before is None:
        return None
    now, then = float(value), float(before)
    if shape == "percent":
        return f"{(now - then) * 100:+.1f} {'个百分点' if language == 'zh' else 'pp'}"
    return f"{(now - then) / abs(then):+.1%}" if then else None


def plain(text: str) -> str:
    """Somebody's own words, to stand in Markdown as they are."""
    return _MARKUP.sub(r"\\\1", text)


_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~$:<>-])")

"""What the shop agreed with its channels: the fee's rate, and how soon money arrives."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from loaders.errors import ConfigurationError
from loaders.settings import Settings

DEFAULT_DAYS = 1
_MOST_DAYS = 365


def fee_rate(settings: Settings, channel: str) -> Decimal | None:
    """The contract's rate of fees; None where none is configured. Raises ConfigurationError."""
    value = settings.channels.get(channel, {}).get("fee_rate")
    if value is None:
        return None
    try:
        rate = Decimal(str(value))
    except InvalidOperation:
        rate = Decimal(-1)
    if not 0 <= rate < 1:
        raise ConfigurationError(
            "mdash.toml: channels.{channel}.fee_rate is a fraction like \"0.006\", not {value}.",
            channel=channel, value=str(value)[:20],
        )
    return rate


def settlement_days(settings: Settings, channel: str) -> int:
    """Days after the bill's day by which money is in the account. Raises ConfigurationError."""
    value = settings.channels.get(channel, {}).get("settlement_days", DEFAULT_DAYS)
    text = str(value)
    if not (text.isdigit() and text.isascii()) or int(text) > _MOST_DAYS:
        raise ConfigurationError(
            "mdash.toml: channels.{channel}.settlement_days is a whole number of days, not {value}.",
            channel=channel, value=text[:20],
        )
    return int(text)

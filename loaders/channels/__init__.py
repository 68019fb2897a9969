"""The registry of channels, and which of them a file belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loaders.channels import alipay, unionpay, wechatpay
from loaders.channels.protocol import Channel, Sample

CHANNELS: dict[str, Channel] = {
    "alipay": alipay.CHANNEL,
    "wechatpay": wechatpay.CHANNEL,
    "unionpay": unionpay.CHANNEL,
}


def identify(sample: Sample) -> tuple[Channel, str] | None:
    """The channel and kind of a bill by its content, or None. Raises RefusedInput."""
    for channel in CHANNELS.values():
        if channel.bills is not None and (kind := channel.bills.recognises(sample)):
            return channel, kind
    return None


def channel_of_call(method: str) -> Channel | None:
    """The channel whose API has this call; a name may also begin with the channel's own."""
    for channel in CHANNELS.values():
        if method.split(".", 1)[0] == channel.name:
            return channel
        if channel.codes is not None and channel.codes.is_call(method):
            return channel
    return None


def retry_ladders() -> dict[str, Sequence[int]]:
    """Each channel's seconds after a payment at which its further deliveries are due."""
    return {
        channel.name: channel.notifications.RETRY_LADDER_S
        for channel in CHANNELS.values()
        if channel.notifications is not None
    }


def product_kinds() -> dict[str, Mapping[str, str]]:
    """Each channel's products in words that channels share."""
    return {
        channel.name: channel.codes.PRODUCT_KINDS
        for channel in CHANNELS.values()
        if channel.codes is not None
    }

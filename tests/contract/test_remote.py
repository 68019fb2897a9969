"""What holds for every channel that can be asked, whatever it is asked."""

from __future__ import annotations

import pytest

from loaders.channels import CHANNELS
from loaders.channels.protocol import RemotePart
from loaders.errors import ConfigurationError

NAMES = {
    "query", "refund", "refund_query", "close", "cancel", "precreate", "create", "pay", "split",
    "split_query", "bill", "account_log", "balance",
}
REMOTE = [pytest.param(channel.remote, id=name)
          for name, channel in CHANNELS.items() if channel.remote is not None]


def test_some_channel_can_be_asked() -> None:
    assert REMOTE


@pytest.mark.parametrize("part", REMOTE)
def test_calls_have_the_names_every_channel_uses(part: RemotePart) -> None:
    assert set(part.CALLS) <= NAMES
    assert {"query", "refund", "refund_query"} <= set(part.CALLS)


@pytest.mark.parametrize("part", REMOTE)
def test_nothing_is_asked_without_settings(part: RemotePart) -> None:
    with pytest.raises(ConfigurationError):
        part.read_keys({}, lambda name: b"")


@pytest.mark.parametrize("name", CHANNELS)
def test_no_code_is_taken_for_known_that_nobody_mapped(name: str) -> None:
    codes = CHANNELS[name].codes
    assert codes is not None
    for code, sub_code in [(None, None), ("", ""), ("nonsense", None), ("40004", "ACQ.NEVER"),
                           ("10000", "ACQ.TRADE_HAS_CLOSE"), ("💥", "💥")]:
        meaning = codes.meaning("x.trade.refund", code, sub_code)
        assert not meaning.is_known
        assert meaning.text
        assert meaning.action

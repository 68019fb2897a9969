"""The channel's desk."""

from __future__ import annotations

import pytest

from tests.channels.alipay_desk import Desk, make_desk
from tests.channels.wechat_desk import WechatDesk, make_wechat_desk


@pytest.fixture(scope="session")
def desk() -> Desk:
    """Keys of the shop and of the channel, made once."""
    return make_desk()


@pytest.fixture(scope="session")
def wechat() -> WechatDesk:
    """The same for WeChat Pay."""
    return make_wechat_desk()

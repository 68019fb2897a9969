"""The channel's desk."""

from __future__ import annotations

import pytest

from tests.channels.alipay_desk import Desk, make_desk


@pytest.fixture(scope="session")
def desk() -> Desk:
    """Keys of the shop and of the channel, made once."""
    return make_desk()

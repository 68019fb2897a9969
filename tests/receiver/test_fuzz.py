"""Bodies of every kind: the receiver answers each, and takes none that was altered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.channels import CHANNELS
from loaders.errors import RefusedInput
from loaders.notifications import read_keys
from loaders.receiver import text_of
from loaders.settings import load_settings
from tests.conftest import make_home
from tests.receiver.conftest import Client, receiving
from tests.receiver.messages import posted

CODECS = ("utf-8", "gbk", "utf-16", "utf-7", "idna", "punycode", "undefined", "zip", "unicode_escape",
          "", "\0", "../x")
PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"&", b"=", b"%26", b"%3D", b"%", b"%00", b"+", b"\0", b"\xff", b"&sign=",
                     b"&total_amount=0.01", b"&sign_type=RSA", b"&refund_fee=1.00", b"\r\n", b"%80",
                     b"&charset=utf-16", b"&app_id=1", b"&gmt_refund=", b"\xe6\x89\x8b"]),
)


@cache
def genuine(key: bytes) -> list[bytes]:
    """Messages the channel did send."""
    return [
        posted(key, "M1").encode(),
        posted(key, "M2", subject="a&b=c", passback_params="x=1&y=2", body="").encode(),
        posted(key, "M3", refund_fee="1.00", gmt_refund="2026-11-20 11:00:00.123").encode(),
    ]


@st.composite
def altered(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    """A genuine message after a few cuts, insertions, swaps and doublings; or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=400))
    body = draw(st.sampled_from(bodies))
    for _ in range(draw(st.integers(1, 3))):
        body = draw(st.sampled_from([_spliced, _swapped, _recoded, _folded]))(draw, body)
    return body


def _spliced(draw: st.DrawFn, body: bytes) -> bytes:
    begin = draw(st.integers(0, len(body)))
    end = min(len(body), begin + draw(st.integers(0, 12)))
    return body[:begin] + draw(PIECES) + body[end:]


def _swapped(draw: st.DrawFn, body: bytes) -> bytes:
    pairs = body.split(b"&")
    one, two = (draw(st.integers(0, len(pairs) - 1)) for _ in range(2))
    if draw(st.booleans()):
        pairs[one], pairs[two] = pairs[two], pairs[one]
    else:
        pairs.insert(one, pairs[two])
    return b"&".join(pairs)


def _recoded(draw: st.DrawFn, body: bytes) -> bytes:
    codec = draw(st.sampled_from(CODECS)).encode()
    return body.replace(b"charset=utf-8", b"charset=" + codec)


def _folded(draw: st.DrawFn, body: bytes) -> bytes:
    """Two neighbours in the signed order as one field, or one field's end as a field of its own."""
    pairs = sorted(body.split(b"&"))
    at = draw(st.integers(0, len(pairs) - 2))
    joined = pairs[at] + b"%26" + pairs[at + 1].replace(b"=", b"%3D")
    return b"&".join([*pairs[:at], joined, *pairs[at + 2 :]])


@dataclass
class Bench:
    """A running receiver, and what a genuine message says."""

    client: Client
    keys: Any
    bodies: list[bytes]

    def said(self, body: bytes) -> Any:
        """The record of a message, None if it is refused."""
        part = CHANNELS["alipay"].notifications
        assert part is not None
        try:
            return part.read({}, text_of(body), self.keys)
        except RefusedInput:
            return None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, channel_key: bytes) -> Iterator[Bench]:
    """One receiver for the whole run."""
    home = make_home(tmp_path_factory.mktemp("fuzz") / "home", channel_key)
    keys = read_keys(load_settings(home))["alipay"]
    with receiving(home) as client:
        yield Bench(client, keys, genuine(channel_key))


def fuzzed(bench: Bench, count: int) -> None:
    """Post so many bodies; each is answered, and what is accepted says what the channel said."""
    true = [bench.said(body) for body in bench.bodies]

    @settings(max_examples=count, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(altered(bench.bodies))
    def post(body: bytes) -> None:
        told = bench.client.post(body)
        assert told.status in (200, 400)
        said = bench.said(body)
        assert (told.status == 200) == (said is not None)
        assert said is None or said in true

    run: Callable[[], None] = post
    run()
    assert bench.client.count("failed") == 0


def test_two_hundred_bodies(bench: Bench) -> None:
    fuzzed(bench, 200)


@pytest.mark.slow
def test_ten_thousand_bodies(bench: Bench) -> None:
    fuzzed(bench, 10_000)

"""WeChat Pay's notifications over the receiver: what is kept, refused, asked for again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from loaders.channels.wechatpay.signing import PrivateKey
from loaders.channels.wechatpay.signing import encrypt as sealed
from sample_data.wechat_files import MCHID, message, signed_headers
from tests.conftest import take_wechat
from tests.receiver.conftest import Client, Told, lines, receiving

PATH = "/notify/wechatpay"
OBJECT: Mapping[str, object] = {
    "mchid": MCHID, "appid": "wx0000000000000001", "out_trade_no": "W1",
    "transaction_id": "4200000001", "trade_type": "JSAPI", "trade_state": "SUCCESS",
    "success_time": "2026-11-20T10:00:05+08:00",
    "payer": {"openid": "oX"}, "amount": {"total": 8888, "payer_total": 8888, "currency": "CNY"},
}


def china_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=8)


@pytest.fixture
def key(channel_key: bytes) -> PrivateKey:
    return serialization.load_pem_private_key(channel_key, None)  # type: ignore[return-value]


@pytest.fixture
def wechat(home: Path, channel_key: bytes) -> Iterator[Client]:
    """A client of a running receiver of a home that takes WeChat Pay's messages."""
    take_wechat(home, channel_key)
    with receiving(home) as client:
        yield client


def post(client: Client, body: str, key: PrivateKey, at: datetime | None = None, **changed: str) -> Told:
    headers = signed_headers(body, at or china_now(), key)
    named = {name.replace("-", "_"): value for name, value in headers.items()} | changed
    return client.post(body, PATH, **named)


def paid(event: str = "TRANSACTION.SUCCESS", **changed: object) -> str:
    return message(event, {**OBJECT, **changed}, china_now())


def test_a_genuine_message_is_kept_and_so_is_its_repetition(
    wechat: Client, home: Path, key: PrivateKey
) -> None:
    body = paid()
    assert [post(wechat, body, key).body for _ in range(2)] == [b'{"code":"SUCCESS"}'] * 2
    kept = lines(home)
    assert [line["body"] for line in kept] == [body, body]
    assert set(kept[0]["headers"]) == {
        "wechatpay-serial", "wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature",
    }


def test_genuine_messages_of_other_kinds_are_kept_and_not_sent_again(
    wechat: Client, home: Path, key: PrivateKey
) -> None:
    others = [
        message(event, {"mchid": MCHID, "openid": "oX"}, china_now())
        for event in ("PAYSCORE.USER_PAID", "COUPON.USE", "TRANSACTION.SUCCESS")
    ]
    others += [paid("REFUND.NEW"), paid(amount={"total": "88.88"}), paid(success_time="yesterday")]
    for body in others:
        told = post(wechat, body, key)
        assert (told.status, told.body) == (200, b'{"code":"SUCCESS"}')
    assert [line["body"] for line in lines(home)] == others


def test_what_is_not_the_channels_is_refused_and_not_kept(
    wechat: Client, home: Path, key: PrivateKey
) -> None:
    body = paid()
    late = china_now() - timedelta(minutes=5, seconds=20)
    answers = [
        post(wechat, body, key, Wechatpay_Serial="PUB_KEY_ID_OTHER"),
        post(wechat, body, key, late),
        post(wechat, body, key, china_now() + timedelta(minutes=6)),
        post(wechat, body, key, Wechatpay_Signature="WECHATPAY/SIGNTEST/abc"),
        post(wechat, body, key, Wechatpay_Signature="bm9uZQ=="),
        wechat.post(body, PATH),
        wechat.post("<xml><return_code>SUCCESS</return_code><transaction_id>1</transaction_id></xml>",
                    PATH),
    ]
    assert [(told.status, told.body) for told in answers] == [(400, b'{"code":"FAIL"}')] * len(answers)
    assert lines(home) == []


def test_a_message_that_our_key_does_not_open_comes_again(
    wechat: Client, home: Path, key: PrivateKey
) -> None:
    envelope = json.loads(paid())
    other = sealed(json.dumps(OBJECT).encode(), "n0123456789x", "transaction", b"f" * 32)
    envelope["resource"]["ciphertext"] = other
    for _ in range(5):
        told = post(wechat, json.dumps(envelope), key)
        assert (told.status, told.body) == (400, b'{"code":"FAIL"}')
    assert lines(home) == []
    assert post(wechat, paid(), key).status == 200


def test_a_body_longer_than_any_message(wechat: Client, key: PrivateKey) -> None:
    assert post(wechat, paid(note="x" * 70_000), key).status == 413

"""Published signatures and ciphertexts of WeChat Pay, the negative ones included."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from loaders.channels.wechatpay import notifications, signing
from loaders.errors import BadSignature, ConfigurationError, RefusedInput
from loaders.records import Notification
from sample_data.wechat_files import API_KEY, APPID, MCHID, SERIAL, message, signed_headers
from tests.conftest import SHARED

VECTORS = SHARED / "vectors" / "wechatpay_v3.json"
AT = datetime(2026, 5, 3, 12, 0, 30)
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="the published vectors are not here")


def vectors(*kinds: str) -> list[Any]:
    if not VECTORS.exists():
        return []
    found = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    return [pytest.param(item, id=item["id"]) for item in found if item["kind"] in kinds]


def headers(vector: dict[str, Any]) -> dict[str, str]:
    named = {**vector["headers"], "Wechatpay-Signature": vector["signature"]}
    return {name.lower(): value for name, value in named.items()}


def keys(vector: dict[str, Any], serial: str | None = None) -> notifications.Keys:
    serial = serial or vector["headers"]["Wechatpay-Serial"]
    public = signing.read_public_keys(vector["public_key_pem"].encode(), serial)
    return notifications.Keys(public, vector.get("apiv3_key", "").encode(), "", "")


@needs_vectors
@pytest.mark.parametrize(
    "vector", vectors("raw_rsa", "wechat_notify", "wechat_response", "wechat_request")
)
def test_a_signature_verifies_or_does_not(vector: dict[str, Any]) -> None:
    (key,) = signing.read_public_keys(vector["public_key_pem"].encode(), "x").values()
    content = vector["string_to_sign"].encode()
    assert signing.verify(content, vector["signature"], key) is vector["expect_valid"]


@needs_vectors
@pytest.mark.parametrize("vector", vectors("wechat_notify", "wechat_response"))
def test_what_the_channel_signs_of_a_message(vector: dict[str, Any]) -> None:
    given = headers(vector)
    made = signing.message_string(
        given["wechatpay-timestamp"], given["wechatpay-nonce"], vector["body"]
    )
    assert made == vector["string_to_sign"].encode()
    notifications.verify(given, vector["body"], keys(vector))


@needs_vectors
@pytest.mark.parametrize("vector", vectors("wechat_notify"))
def test_a_message_with_anything_changed_does_not_verify(vector: dict[str, Any]) -> None:
    given, body = headers(vector), vector["body"]
    for name in ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-serial", "wechatpay-signature"):
        for value in ("", "1" + given[name]):
            with pytest.raises(BadSignature):
                notifications.verify({**given, name: value}, body, keys(vector))
    with pytest.raises(BadSignature):
        notifications.verify(given, body.replace("SUCCESS", "SUCCES5") + " ", keys(vector))
    with pytest.raises(BadSignature):
        notifications.verify(given, body, keys(vector, "PUB_KEY_ID_OTHER"))


@needs_vectors
@pytest.mark.parametrize("vector", vectors("wechat_notify"))
def test_what_a_message_holds(vector: dict[str, Any]) -> None:
    sealed = json.loads(vector["body"])["resource"]
    parts = (sealed["ciphertext"], sealed["nonce"], sealed["associated_data"])
    plain = signing.decrypt(*parts, vector["apiv3_key"].encode()).decode()
    if "expected_plaintext" in vector:
        assert plain == vector["expected_plaintext"]
    else:
        assert plain.startswith(vector["expected_plaintext_prefix"])
    with pytest.raises(ValueError, match="does not fit"):
        signing.decrypt(*parts, vector["apiv3_key"].encode()[::-1])


@needs_vectors
@pytest.mark.parametrize("vector", vectors("aes_gcm"))
def test_sealed_texts(vector: dict[str, Any]) -> None:
    key, nonce, extra = vector["apiv3_key"].encode(), vector["nonce"], vector["associated_data"]
    plain = signing.decrypt(vector["ciphertext_b64"], nonce, extra, key)
    assert plain.decode() == vector["expected_plaintext"]
    assert signing.encrypt(plain, nonce, extra, key) == vector["ciphertext_b64"]


@needs_vectors
@pytest.mark.parametrize("vector", vectors("wechat_string_to_sign"))
def test_what_we_sign_of_a_request(vector: dict[str, Any]) -> None:
    made = signing.request_string(
        vector["method"], vector["canonical_url"], vector["timestamp"], vector["nonce"],
        vector["body"],
    )
    assert made == vector["expected_string"].encode()


@needs_vectors
@pytest.mark.parametrize("vector", [
    v for v in vectors("wechat_notify") if v.values[0]["id"].startswith("gunsluo")
])
def test_real_messages_become_records(vector: dict[str, Any]) -> None:
    found = notifications.read(headers(vector), vector["body"], keys(vector))
    assert (found.amount_fen, found.trade_no) == (1, "4200000925202101284997714292")
    assert found.order_no == "S20210128170702357723"
    assert found.is_ours
    if found.is_refund:
        assert (found.refund_fen, found.refund_no) == (1, "S20210201151309277501")
        assert found.refunded_at == datetime(2021, 2, 1, 7, 13, 13)
        assert (found.status, found.paid_at) == ("REFUND_SUCCESS", None)
    else:
        assert found.paid_at == datetime(2021, 1, 28, 9, 7, 11)
        assert (found.status, found.payer_id) == ("SUCCESS", "ofyak5qR_1wYsC99CsWA6R9MJazA")


@needs_vectors
def test_messages_of_other_kinds_are_refused_however_well_signed() -> None:
    for name in ("go-notify-payscore", "yansongda-callback"):
        vector = next(v.values[0] for v in vectors("wechat_notify") if v.values[0]["id"] == name)
        with pytest.raises(RefusedInput):
            notifications.read(headers(vector), vector["body"], keys(vector))


@needs_vectors
def test_a_platform_certificate_brings_its_own_serial() -> None:
    vector = vectors("wechat_notify")[0].values[0]
    found = signing.read_public_keys(vector["certificate_pem"].encode(), "")
    assert list(found) == [vector["headers"]["Wechatpay-Serial"]]


@needs_vectors
def test_every_published_case_is_of_a_kind_that_is_tested() -> None:
    tested = {"raw_rsa", "wechat_notify", "wechat_response", "wechat_request", "aes_gcm",
              "wechat_string_to_sign"}
    found = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    assert {item["kind"] for item in found} == tested


PAID = {
    "mchid": MCHID, "appid": APPID, "out_trade_no": "M1", "transaction_id": "42001",
    "trade_state": "SUCCESS", "success_time": "2026-05-03T12:00:30+08:00",
    "amount": {"total": 8888, "payer_total": 8888, "currency": "CNY"},
}


@pytest.fixture(scope="module")
def private(channel_key: bytes) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(channel_key, password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def read(
    private: RSAPrivateKey, told: dict[str, Any], event: str = "TRANSACTION.SUCCESS",
    late: timedelta = timedelta(), api_key: str = API_KEY, **changed: str,
) -> Notification:
    body = message(event, told, AT)
    made = {k.lower(): v for k, v in signed_headers(body, AT, private).items()} | changed
    own = notifications.Keys({SERIAL: private.public_key()}, api_key.encode(), MCHID, APPID)
    return notifications.read(made, body, own, AT - timedelta(hours=8) + late)


def test_a_message_is_read_within_five_minutes_of_its_signature(private: RSAPrivateKey) -> None:
    for seconds in (-300, 0, 300):
        assert read(private, PAID, late=timedelta(seconds=seconds)).proves_paid
    for seconds in (-301, 301, 86_400):
        with pytest.raises(BadSignature, match="five minutes"):
            read(private, PAID, late=timedelta(seconds=seconds))


def test_a_probe_is_refused(private: RSAPrivateKey) -> None:
    with pytest.raises(BadSignature, match="probe"):
        read(private, PAID, **{"wechatpay-signature": "WECHATPAY/SIGNTEST/x0aGVyZQ=="})


def test_messages_of_others_are_genuine_but_not_ours(private: RSAPrivateKey) -> None:
    assert read(private, PAID).is_ours
    assert not read(private, {**PAID, "mchid": "1900000110"}).is_ours
    assert not read(private, {**PAID, "appid": "wx2"}).is_ours


@pytest.mark.parametrize(("event", "status"), [
    ("REFUND.ABNORMAL", "ABNORMAL"), ("REFUND.CLOSED", "CLOSED"),
])
def test_a_refund_that_failed_returns_nothing(
    private: RSAPrivateKey, event: str, status: str
) -> None:
    told = {**PAID, "out_refund_no": "R1", "refund_status": status,
            "amount": {"total": 8888, "refund": 100}}
    found = read(private, told, event)
    assert (found.is_refund, found.refund_fen, found.proves_paid) == (False, 100, False)


@pytest.mark.parametrize("amount", [
    {"total": 88.88}, {"total": True}, {"total": "8888"}, {"total": -1},
    {"total": 8888, "currency": "USD"},
])
def test_amounts_are_whole_fen(private: RSAPrivateKey, amount: dict[str, Any]) -> None:
    with pytest.raises(RefusedInput, match="not an amount"):
        read(private, {**PAID, "amount": amount})


def test_a_wrong_api_key_is_told_from_a_forged_message(private: RSAPrivateKey) -> None:
    with pytest.raises(RefusedInput, match="APIv3 key") as caught:
        read(private, PAID, api_key=API_KEY[::-1])
    assert not isinstance(caught.value, BadSignature)


def test_keys_are_read_and_wrong_ones_explained(channel_key: bytes, private: RSAPrivateKey) -> None:
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    files = {"p.pem": public, "own.pem": channel_key, "k": API_KEY.encode() + b"\n", "short": b"x",
             "empty": b""}
    config = {"platform_public_key_file": "p.pem", "platform_serial": SERIAL, "api_v3_key_file": "k"}
    assert list(notifications.read_keys(config, files.__getitem__).public_keys) == [SERIAL]
    for changed, why in (
        ({"platform_public_key_file": "own.pem"}, "private key"),
        ({"platform_public_key_file": "empty"}, "holds no key"),
        ({"platform_serial": ""}, "PUB_KEY_ID"),
        ({"api_v3_key_file": "short"}, "has 1 characters"),
        ({"api_v3_key_file": ""}, "api_v3_key_file"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            notifications.read_keys({**config, **changed}, files.__getitem__)

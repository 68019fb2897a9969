"""What the gateway checks of a request and how its answers look on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.channels.alipay import signing
from sample_data.gateway.envelope import lock, unlock
from sample_data.gateway.ledger import Trade
from sample_data.gateway.methods import METHODS
from sample_data.gateway.server import Serving
from tests.gateway.conftest import HTTP, Caller, Start, client_of, fresh_gateway, noon

pytestmark = pytest.mark.slow

QUERY = "alipay.trade.query"


@pytest.mark.parametrize(
    ("change", "code", "sub_code", "is_signed"),
    [
        ({"app_id": "2021999999999999"}, "40002", "isv.invalid-app-id", False),
        ({"app_id": ""}, "40001", "isv.missing-app-id", False),
        ({"timestamp": ""}, "40001", "isv.missing-timestamp", True),
        ({"timestamp": "yesterday"}, "40002", "isv.invalid-timestamp", True),
        ({"version": ""}, "40001", "isv.missing-version", True),
        ({"version": "2.0"}, "40002", "isv.invalid-version", True),
        ({"format": "XML"}, "40002", "isv.invalid-format", True),
        ({"charset": "big5"}, "40002", "isv.invalid-charset", True),
        ({"sign": ""}, "40001", "isv.missing-signature", True),
        ({"sign": "AAAA"}, "40002", "isv.invalid-signature", True),
        ({"biz_content": "{"}, "40002", "isv.illegal-json", True),
        ({"biz_content": "[]"}, "40002", "isv.illegal-json", True),
        ({"method": "alipay.trade.steal"}, "40002", "isv.invalid-method", True),
        ({"app_cert_sn": "0" * 32}, "40002", "isv.app-cert-not-exist", True),
        ({"encrypt_type": "ROT13"}, "40003", "isv.decryption-error-not-valid-encrypt-type", True),
        ({"encrypt_type": "AES"}, "40003", "isv.decryption-error-unknown", True),
        ({"biz_content": "{}"}, "40004", "ACQ.INVALID_PARAMETER", True),
    ],
)
def test_a_wrong_request_is_refused_as_the_channel_refuses_it(
    caller: Caller, change: dict[str, str], code: str, sub_code: str, is_signed: bool
) -> None:
    named = {"method": QUERY, **change}
    sign = named.pop("sign", None)
    content = named.pop("biz_content", '{"out_trade_no":"A1"}')
    fields = caller.fields(named.pop("method"), content, **named)
    if sign is not None:
        fields["sign"] = sign
    fields = {name: value for name, value in fields.items() if value}
    answer = caller.send(fields)
    assert answer.status == 200
    assert (answer.node["code"], answer.node["sub_code"]) == (code, sub_code)
    assert (answer.is_verified, answer.signature is not None) == (is_signed, is_signed)


def test_only_two_kinds_of_signature_are_known(caller: Caller) -> None:
    fields = caller.fields(QUERY, {"out_trade_no": "A1"}) | {"sign_type": "MD5"}
    answer = caller.read(HTTP.post(caller.url, data=fields), {})
    assert answer.node["sub_code"] == "isv.invalid-signature-type"


def test_a_changed_request_does_not_verify_and_the_string_is_shown(caller: Caller) -> None:
    fields = caller.fields(QUERY, {"out_trade_no": "A1"})
    answer = caller.send(fields | {"notify_url": "http://other"})
    assert answer.node["sub_code"] == "isv.invalid-signature"
    assert "&amp;notify_url=http://other&amp;sign_type=RSA2" in answer.node["sub_msg"]


def test_answers_look_as_the_channels(caller: Caller) -> None:
    answer = caller.send(
        caller.fields(
            "alipay.trade.precreate", {"out_trade_no": "A1", "total_amount": "1", "subject": "杯"}
        )
    )
    assert answer.content_type == "text/html;charset=utf-8"
    assert "http:\\/\\/127.0.0.1" in answer.raw_node
    assert answer.is_verified
    assert answer.text.endswith(f',"sign":"{answer.signature}"}}')


def test_keys_come_in_another_order_each_time(start: Start) -> None:
    caller = start(is_shuffled=True)
    caller.paid("A1")
    fields = caller.fields(QUERY, {"out_trade_no": "A1"})
    answers = [caller.send(fields) for _ in range(20)]
    assert all(answer.is_verified for answer in answers)
    assert len({answer.raw_node for answer in answers}) > 10
    assert {answer.text.startswith('{"sign"') for answer in answers} == {True, False}


@pytest.mark.parametrize("charset", ["utf-8", "gbk", "GBK"])
@pytest.mark.parametrize("kind", ["RSA2", "RSA"])
def test_both_charsets_and_both_signatures(caller: Caller, charset: str, kind: str) -> None:
    caller.paid("A1", charset=charset, sign_type=kind)
    answer = caller.send(
        caller.fields(QUERY, {"out_trade_no": "不存在"}, charset=charset, sign_type=kind)
    )
    assert answer.is_verified
    assert answer.node["sub_msg"] == "交易不存在"


def test_parameters_come_by_get_in_the_body_alone_or_as_multipart(caller: Caller) -> None:
    caller.paid("A1")
    fields = caller.fields(QUERY, {"out_trade_no": "A1"})
    sent = (
        HTTP.get(caller.url, params=fields),
        HTTP.post(caller.url, data=fields),
        HTTP.post(caller.url, files={name: (None, value) for name, value in fields.items()}),
    )
    for response in sent:
        assert caller.read(response, fields).node["trade_status"] == "TRADE_SUCCESS"


def test_the_request_line_may_carry_the_whole_url(caller: Caller) -> None:
    import http.client
    from urllib.parse import urlsplit

    fields = caller.fields(QUERY, {"out_trade_no": "A1"})
    connection = http.client.HTTPConnection(urlsplit(caller.url).netloc, timeout=5)
    connection.request("POST", f"http://127.0.0.1/gateway.do?{urlencode(fields)}")
    assert b"ACQ.TRADE_NOT_EXIST" in connection.getresponse().read()
    connection.close()


def test_certificates_are_compared_and_named(caller: Caller) -> None:
    keys = caller.keys
    both = {"app_cert_sn": keys.app_cert_sn, "alipay_root_cert_sn": keys.root_cert_sn}
    answer = caller.send(caller.fields(QUERY, {"out_trade_no": "A1"}, **both))
    assert json.loads(answer.text)["alipay_cert_sn"] == keys.channel_cert_sn
    assert answer.is_verified
    one = caller.fields(QUERY, {"out_trade_no": "A1"}, app_cert_sn=keys.app_cert_sn)
    assert caller.send(one).node["sub_code"] == "isv.missing-alipay-root-cert-sn"


@pytest.mark.parametrize("kind", ["AES", "AES_V2"])
def test_content_is_encrypted_both_ways(caller: Caller, kind: str) -> None:
    content = lock('{"out_trade_no":"没有"}', caller.keys.aes_key, kind)
    answer = caller.send(caller.fields(QUERY, content, encrypt_type=kind))
    assert answer.is_verified
    assert answer.raw_node.startswith('"')
    node = json.loads(unlock(json.loads(answer.raw_node), caller.keys.aes_key, kind))
    assert node["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_a_page_order_goes_to_the_cashier_and_back(caller: Caller) -> None:
    fields = caller.fields(
        "alipay.trade.page.pay", {"out_trade_no": "P1", "total_amount": "9.9", "subject": "杯"},
        return_url="http://127.0.0.1/back",
    )
    arrived = HTTP.post(caller.url, data=fields)
    assert arrived.status_code == 302
    back = HTTP.post(arrived.headers["location"])
    assert back.headers["location"].startswith("http://127.0.0.1/back?charset=utf-8&out_trade_no=P1")
    assert caller.query("P1")["trade_status"] == "TRADE_SUCCESS"
    refused = HTTP.post(caller.url, data=fields | {"sign": "AAAA"})
    assert "isv.invalid-signature" in refused.content.decode("gbk")


def test_errors_carry_zero_amounts_and_the_channels_spelling(caller: Caller) -> None:
    node = caller.query("A404")
    assert (node["sub_code"], node["out_trade_no"], node["receipt_amount"]) == (
        "ACQ.TRADE_NOT_EXIST", "A404", "0.00",
    )
    caller.control("misbehave", {"how": "system_error_before"})
    cancelled = caller.call("alipay.trade.cancel", {"out_trade_no": "A404"})
    assert cancelled["sub_code"] == "AQC.SYSTEM_ERROR"


_NAMES = (
    "out_trade_no", "trade_no", "total_amount", "refund_amount", "out_request_no", "subject",
    "royalty_parameters", "time_expire", "timeout_express", "bill_date", "bill_type", "page_no",
    "page_size", "start_time", "end_time", "query_options", "auth_code", "buyer_id", "settle_no",
    "merchant_order_no",
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["A1", "1.00", "trade", "2026-10", "30m", "1c", "28763443825664394"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ("amount", "trans_in", "amount_percentage")), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=80, deadline=None)
@given(method=st.sampled_from(sorted(METHODS)), biz=st.dictionaries(st.sampled_from(_NAMES), _VALUES))
def test_any_content_gets_an_answer_that_verifies(
    serving: Serving, keys_folder: Path, method: str, biz: dict[str, Any]
) -> None:
    client = client_of(serving.url, serving.gateway.keys, keys_folder)
    gateway = fresh_gateway(serving.gateway.keys)
    gateway.ledger.place(Trade("A1", "", 1200, noon()))
    gateway.pay("A1")
    reply = gateway.answer(client.fields(method, biz))
    node = json.loads(reply.node)
    assert node["code"] in {"10000", "10003", "40002", "40004"}
    assert signing.verify(reply.node.encode(), reply.signature or "", client.channel_public)

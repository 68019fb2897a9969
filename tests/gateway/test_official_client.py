"""The official alipay-sdk-python works against the stand-in gateway as it comes.

It shares its package name with python-alipay-sdk, so the two are not installed together by default:
`uv run --isolated --group official-sdk pytest -n 0 tests/gateway/test_official_client.py`.
"""

from __future__ import annotations

import json
import socket
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives import serialization

from sample_data.gateway.gateway import china_now
from sample_data.gateway.keys import APP_PRIVATE, CHANNEL_PUBLIC
from tests.gateway.conftest import Caller

pytestmark = pytest.mark.slow

pytest.importorskip("alipay.aop.api.DefaultAlipayClient", reason="group official-sdk is not installed")


class Official:
    """The client as its documents set it up. It only ever connects to port 80, so that is led here."""

    def __init__(self, caller: Caller, folder: Path, patch: pytest.MonkeyPatch) -> None:
        from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
        from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient

        port, connect = urlsplit(caller.url).port, socket.create_connection
        patch.setattr(
            socket, "create_connection",
            lambda address, *more, **named: connect(
                (address[0], port if address[1] == 80 else address[1]), *more, **named
            ),
        )
        config = AlipayClientConfig()
        config.server_url = "http://127.0.0.1/gateway.do"
        config.app_id = caller.keys.app_id
        config.app_private_key = bare_pkcs1((folder / APP_PRIVATE).read_bytes())
        config.alipay_public_key = (folder / CHANNEL_PUBLIC).read_text()
        self._client = DefaultAlipayClient(config)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """`alipay.trade.query` by the SDK's own request and model classes."""
        name = "".join(part.capitalize() for part in method.split("."))
        model = load(f"domain.{name}Model")()
        for key, value in values.items():
            setattr(model, key, value)
        request = load(f"request.{name}Request")(biz_model=model)
        found: dict[str, Any] = json.loads(self._client.execute(request))
        return found


def load(name: str) -> Any:
    from importlib import import_module

    return getattr(import_module(f"alipay.aop.api.{name}"), name.rpartition(".")[2])


def bare_pkcs1(pem: bytes) -> str:
    key = serialization.load_pem_private_key(pem, password=None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def official(caller: Caller, keys_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Official:
    return Official(caller, keys_folder, monkeypatch)


def test_pay_query_refund_and_refund_query(official: Official) -> None:
    paid = official.call(
        "alipay.trade.pay", out_trade_no="O1", total_amount="12.00", subject="茶/杯",
        scene="bar_code", auth_code="28763443825664394",
    )
    assert paid["code"] == "10000"
    assert official.call("alipay.trade.query", out_trade_no="O1")["trade_status"] == "TRADE_SUCCESS"
    back = official.call(
        "alipay.trade.refund", out_trade_no="O1", refund_amount="5.00", out_request_no="R1",
    )
    assert (back["fund_change"], back["refund_fee"]) == ("Y", "5.00")
    told = official.call("alipay.trade.fastpay.refund.query", out_trade_no="O1", out_request_no="R1")
    assert told["refund_status"] == "REFUND_SUCCESS"
    more = official.call(
        "alipay.trade.refund", out_trade_no="O1", refund_amount="7.01", out_request_no="R2",
    )
    assert more["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"


def test_precreate_close_and_cancel(official: Official, caller: Caller) -> None:
    order = {"out_trade_no": "O2", "total_amount": "66.00", "subject": "杯"}
    code = official.call("alipay.trade.precreate", **order)["qr_code"]
    assert official.call("alipay.trade.query", out_trade_no="O2")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    with urlopen(code):
        assert official.call("alipay.trade.close", out_trade_no="O2")["code"] == "10000"
    assert official.call("alipay.trade.query", out_trade_no="O2")["trade_status"] == "TRADE_CLOSED"
    caller.paid("O3")
    assert official.call("alipay.trade.cancel", out_trade_no="O3")["action"] == "refund"


def test_a_bill_is_fetched(official: Official, caller: Caller) -> None:
    caller.paid("O1")
    today = china_now().date()
    caller.control("clock", {"forward_s": timedelta(days=1).total_seconds()})
    answer = official.call(
        "alipay.data.dataservice.bill.downloadurl.query", bill_type="trade", bill_date=f"{today}",
    )
    with urlopen(answer["bill_download_url"]) as file:
        assert len(zipfile.ZipFile(BytesIO(file.read())).namelist()) == 2

"""PyPI's wechatpayv3 works against the stand-in as it comes, with a public key or certificates."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_data.gateway.gateway import china_now
from sample_data.gateway.wechat.books import Trade
from sample_data.gateway.wechat.keys import MERCHANT_KEY, PLATFORM_CERT, PLATFORM_PUBLIC
from sample_data.gateway.wechat.platform import Platform
from sample_data.wechat_files import API_KEY, APPID, MCHID, SERIAL, message, transaction
from tests.gateway.wechat_shop import serving


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wechat-keys")


@pytest.fixture(scope="module")
def platform(keys: Path) -> Iterator[Platform]:
    with serving(keys) as found:
        yield found


def client_of(platform: Platform, keys: Path, **more: Any) -> Any:
    from wechatpayv3 import WeChatPay, WeChatPayType

    client = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE, mchid=MCHID, appid=APPID, apiv3_key=API_KEY,
        private_key=(keys / MERCHANT_KEY).read_text(),
        cert_serial_no=platform.keys.merchant_serial, notify_url="http://127.0.0.1:9/n", **more,
    )
    client._core._gate_way = platform.base_url
    return client


@pytest.fixture(params=["public key", "certificate"])
def client(
    request: pytest.FixtureRequest, platform: Platform, keys: Path, tmp_path: Path
) -> Any:
    is_certificate = request.param == "certificate"
    platform.manners.signs_with_certificate = is_certificate
    if not is_certificate:
        return client_of(
            platform, keys, public_key=(keys / PLATFORM_PUBLIC).read_text(), public_key_id=SERIAL
        )
    (tmp_path / "first.pem").write_bytes((keys / PLATFORM_CERT).read_bytes())
    return client_of(platform, keys, cert_dir=str(tmp_path))


def test_order_query_refund_and_bill(client: Any, platform: Platform) -> None:
    number = f"W{len(list(platform.books))}"
    paid_at = china_now().replace(hour=12, microsecond=0) - timedelta(days=2)
    status, body = client.pay(description="保温杯", out_trade_no=number, amount={"total": 8888})
    assert (status, json.loads(body)["code_url"][:9]) == (200, "weixin://")
    platform.books.pay(platform.books.trade(number), paid_at)
    status, body = client.query(out_trade_no=number)
    told = json.loads(body)
    assert (status, told["trade_state"], told["amount"]["total"]) == (200, "SUCCESS", 8888)
    amount = {"refund": 1000, "total": 8888, "currency": "CNY"}
    status, body = client.refund(out_refund_no=f"R{number}", out_trade_no=number, amount=amount)
    assert (status, json.loads(body)["status"]) == (200, "SUCCESS")
    status, body = client.query_refund(f"R{number}")
    assert (status, json.loads(body)["amount"]["refund"]) == (200, 1000)
    status, body = client.refund(
        out_refund_no=f"R2{number}", out_trade_no=number, amount={**amount, "refund": 8000}
    )
    assert (status, json.loads(body)["code"]) == (400, "INVALID_REQUEST")
    for ask in (client.trade_bill, client.fundflow_bill):
        status, body = ask(bill_date=f"{paid_at.date()}")
        link = json.loads(body)
        status, packed = client.download_bill(link["download_url"])
        plain = gzip.decompress(packed)
        assert hashlib.sha1(plain).hexdigest() == link["hash_value"]
        assert number.encode() in plain


def test_close_and_certificates(client: Any, platform: Platform) -> None:
    number = f"W{len(list(platform.books))}"
    platform.books.place(Trade(number, 100, china_now()))
    assert client.close(out_trade_no=number)[0] == 204
    assert json.loads(client.query(out_trade_no=number)[1])["trade_state"] == "CLOSED"
    client._core._update_certificates()
    [certificate] = client._core._certificates
    assert f"{certificate.serial_number:X}" == platform.keys.platform_cert_serial


def test_a_notification_is_opened(client: Any, platform: Platform) -> None:
    trade = Trade("N1", 8888, china_now())
    platform.books.pay(trade, china_now())
    body = message("TRANSACTION.SUCCESS", transaction(trade.order), china_now())
    opened = client.callback(platform.signature(body), body)
    assert opened["resource"]["out_trade_no"] == "N1"

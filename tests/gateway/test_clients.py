"""python-alipay-sdk works against the stand-in gateway as it comes, with keys and with certificates."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from sample_data.gateway.gateway import china_now
from sample_data.gateway.keys import APP_CERT, APP_PRIVATE, CHANNEL_CERT, CHANNEL_PUBLIC, ROOT_CERT
from tests.gateway.conftest import Caller, Start

pytestmark = pytest.mark.slow

AUTH_CODE = "28763443825664394"


def key_client(caller: Caller, folder: Path) -> Any:
    from alipay import AliPay

    client = AliPay(
        appid=caller.keys.app_id, app_notify_url=None, sign_type="RSA2",
        app_private_key_string=(folder / APP_PRIVATE).read_text(),
        alipay_public_key_string=(folder / CHANNEL_PUBLIC).read_text(),
    )
    client._gateway = caller.url
    return client


def certificate_client(caller: Caller, folder: Path) -> Any:
    from alipay import DCAliPay

    client = DCAliPay(
        appid=caller.keys.app_id,
        app_private_key_string=(folder / APP_PRIVATE).read_text(),
        app_public_key_cert_string=(folder / APP_CERT).read_text(),
        alipay_public_key_cert_string=(folder / CHANNEL_CERT).read_text(),
        alipay_root_cert_string=(folder / ROOT_CERT).read_text(),
    )
    client._gateway = caller.url
    return client


@pytest.mark.filterwarnings("ignore:.*cryptography:DeprecationWarning")
@pytest.mark.parametrize("make", [key_client, certificate_client])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_a_payment_its_query_and_its_refunds(
    start: Start, keys_folder: Path, make: Any, is_shuffled: bool
) -> None:
    client = make(start(is_shuffled=is_shuffled), keys_folder)
    paid = client.api_alipay_trade_pay("A1", "bar_code", AUTH_CODE, "茶/杯", total_amount="12.00")
    assert (paid["code"], paid["total_amount"]) == ("10000", "12.00")
    asked = client.api_alipay_trade_query(out_trade_no="A1")
    assert (asked["trade_status"], asked["trade_no"]) == ("TRADE_SUCCESS", paid["trade_no"])
    back = client.api_alipay_trade_refund("5.00", out_trade_no="A1", out_request_no="R1")
    assert (back["fund_change"], back["refund_fee"]) == ("Y", "5.00")
    again = client.api_alipay_trade_refund("5.00", out_trade_no="A1", out_request_no="R1")
    assert (again["fund_change"], again["refund_fee"]) == ("N", "5.00")
    told = client.api_alipay_trade_fastpay_refund_query("R1", out_trade_no="A1")
    assert (told["refund_status"], told["refund_amount"]) == ("REFUND_SUCCESS", "5.00")


def test_a_code_is_scanned_paid_closed_and_cancelled(caller: Caller, keys_folder: Path) -> None:
    client = key_client(caller, keys_folder)
    code = client.api_alipay_trade_precreate("杯", "A2", "66.00")["qr_code"]
    assert client.api_alipay_trade_query("A2")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    with urlopen(code) as page:
        assert "66.00" in page.read().decode("utf-8")
    assert client.api_alipay_trade_query("A2")["trade_status"] == "WAIT_BUYER_PAY"
    caller.control("pay", {"order": "A2"})
    assert client.api_alipay_trade_query("A2")["trade_status"] == "TRADE_SUCCESS"
    assert client.api_alipay_trade_cancel(out_trade_no="A2")["action"] == "refund"
    assert client.api_alipay_trade_query("A2")["trade_status"] == "TRADE_CLOSED"
    client.api_alipay_trade_create("杯", "A3", "1.00", buyer_id="2088000000000001")
    assert client.api_alipay_trade_close(out_trade_no="A3")["out_trade_no"] == "A3"
    assert client.api_alipay_trade_query("A3")["trade_status"] == "TRADE_CLOSED"


def test_a_bill_is_fetched(caller: Caller, keys_folder: Path) -> None:
    client = key_client(caller, keys_folder)
    client.api_alipay_trade_pay("A1", "bar_code", AUTH_CODE, "杯", total_amount="12.00")
    today = china_now().date()
    caller.control("clock", {"forward_s": timedelta(days=1).total_seconds()})
    answer = client.server_api(
        "alipay.data.dataservice.bill.downloadurl.query",
        {"bill_type": "trade", "bill_date": f"{today}"},
    )
    with urlopen(answer["bill_download_url"]) as file, zipfile.ZipFile(
        BytesIO(file.read()), metadata_encoding="gb18030"
    ) as bill:
        assert "汇总" in bill.namelist()[0]
        assert "A1" in bill.read(bill.namelist()[1]).decode("gb18030")


def test_money_is_shared_with_others(caller: Caller, keys_folder: Path) -> None:
    client = key_client(caller, keys_folder)
    trade_no = caller.paid("A1", "100.00")["trade_no"]
    shares = [{"trans_in": "2088000000000099", "amount": "10.00"}]
    made = client.api_alipay_trade_order_settle("S1", trade_no, shares)
    found = caller.call("alipay.trade.order.settle.query", {"settle_no": made["settle_no"]})
    assert [(item["amount"], item["state"]) for item in found["royalty_detail_list"]] == [
        ("10.00", "SUCCESS")
    ]
    assert caller.control("account")["balance_fen"] == 100_000_00 + 100_00 - 60 - 10_00

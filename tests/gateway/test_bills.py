"""Bills through half-minute links: loaded by `mdash load`, and in agreement with the gateway's money."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_data.gateway.gateway import OPENING_FEN, Clock, Gateway
from sample_data.gateway.ledger import Ledger
from sample_data.gateway.seeding import seed
from sample_data.merchant import Merchant
from tests.conftest import Mdash
from tests.gateway.conftest import HTTP, Caller, Start, noon

pytestmark = pytest.mark.slow

LINK = "alipay.data.dataservice.bill.downloadurl.query"
DAY_S = 86_400


def today() -> date:
    return noon().date()


def link(caller: Caller, day: date | str, kind: str = "trade") -> dict[str, Any]:
    return caller.call(LINK, {"bill_type": kind, "bill_date": f"{day}"})


def fetched(caller: Caller, day: date | str, kind: str, folder: Path) -> Path:
    """The bill of a day, saved under the name the link gives."""
    response = HTTP.get(link(caller, day, kind)["bill_download_url"])
    assert response.status_code == 200
    name = response.headers["content-disposition"].partition('filename="')[2].rstrip('"')
    path = folder / f"{kind}_{name}"
    path.write_bytes(response.content)
    return path


def busy_day(caller: Caller) -> None:
    """Payments of 112 yuan, refunds of 17, 10 shared: today's bill is ready afterwards."""
    trade_no = caller.paid("B1", "100.00")["trade_no"]
    caller.paid("B2", "12.00")
    caller.refund("B1", "5.00", "R1")
    caller.refund("B2", "12.00", "R2")
    caller.call(
        "alipay.trade.order.settle",
        {"trade_no": trade_no, "out_request_no": "S1",
         "royalty_parameters": [{"trans_in": "2088", "amount": "10.00"}]},
    )
    caller.control("clock", {"forward_s": DAY_S})


def total(mdash: Mdash, query: str) -> list[list[str]]:
    ran = mdash("sql", query, "--format", "csv")
    assert ran.code == 0, ran.err
    return list(csv.reader(io.StringIO(ran.out)))[1:]


def test_what_is_loaded_agrees_with_the_gateway(
    caller: Caller, mdash: Mdash, tmp_path: Path
) -> None:
    busy_day(caller)
    paths = [fetched(caller, today(), kind, tmp_path) for kind in ("trade", "signcustomer")]
    ran = mdash("load", *map(str, paths), "--json")
    assert ran.code == 0, ran.err
    assert [(f["kind"], f["rows"], f["status"]) for f in ran.json()["files"]] == [
        ("trade_bill", 4, "loaded"), ("account_bill", 9, "loaded"),
    ]
    assert total(mdash, "select order_no, amount_fen, refunded_fen from trades order by 1") == [
        ["B1", "10000", "500"], ["B2", "1200", "1200"],
    ]
    day = ("--from", f"{today()}", "--to", f"{today()}", "--format", "json")
    [row] = mdash("metric", "settlement", *day).json()["rows"]
    account = caller.control("account")
    moved = account["balance_fen"] - account["opening_fen"]
    assert (row["gross_fen"], row["refunded_fen"]) == (11200, 1700)
    assert row["net_fen"] == moved + 1000
    [[movements]] = total(
        mdash, "select sum(income_fen) - sum(abs(expense_fen)) from account_lines"
    )
    assert int(movements) == moved


def test_a_link_lives_thirty_seconds(caller: Caller) -> None:
    busy_day(caller)
    url = link(caller, today())["bill_download_url"]
    caller.control("clock", {"forward_s": 29})
    assert HTTP.get(url).status_code == 200
    caller.control("clock", {"forward_s": 2})
    assert HTTP.get(url).status_code == 403
    assert HTTP.get(url.replace("token=", "token=0")).status_code == 403


def test_a_day_is_ready_at_nine_and_a_month_on_the_third(caller: Caller) -> None:
    caller.paid("B1")
    assert link(caller, today())["sub_code"] == "isp.bill_not_exist"
    caller.control("clock", {"forward_s": 20 * 3600})
    assert link(caller, today())["sub_code"] == "isp.bill_not_exist"
    caller.control("clock", {"forward_s": 3600})
    assert link(caller, today())["code"] == "10000"
    assert link(caller, f"{today():%Y-%m}")["sub_code"] == "isp.bill_not_exist"
    caller.control("clock", {"forward_s": 35 * DAY_S})
    assert link(caller, f"{today():%Y-%m}")["code"] == "10000"


@pytest.mark.parametrize(
    ("kind", "day", "sub_code"),
    [
        ("merchant_act", "2026-01-01", "TYPE_NOT_SUPPORTED"),
        ("trade", "01.02.2026", "invalid_arguments"),
        ("trade", "2026-02-30", "invalid_arguments"),
        ("trade", "2010-01-01", "BILL_DATE_BEFORE_REGISTRATION"),
    ],
)
def test_a_bill_that_cannot_be(caller: Caller, kind: str, day: str, sub_code: str) -> None:
    caller.paid("B1")
    assert link(caller, day, kind)["sub_code"] == sub_code


def test_a_day_without_trades_is_a_file_of_nothing(
    caller: Caller, mdash: Mdash, tmp_path: Path
) -> None:
    busy_day(caller)
    caller.control("clock", {"forward_s": DAY_S})
    empty = today() + timedelta(days=1)
    assert link(caller, empty)["bill_file_code"] == "EMPTY_DATA_WITH_BILL_FILE"
    ran = mdash("load", str(fetched(caller, empty, "trade", tmp_path)), "--json")
    assert (ran.code, ran.json()["rows"]) == (0, 0)
    assert ran.json()["files"][0]["covers"] == [f"{empty}", f"{empty}"]
    caller.control("manners", {"empty_days": "NO_BILL_DATA"})
    assert link(caller, empty)["sub_code"] == "NO_BILL_DATA"


def test_the_sample_merchants_months_agree_with_its_orders(
    start: Start, keys: Any, mdash: Mdash, tmp_path: Path
) -> None:
    shop = Merchant(seed=3, orders=600, last_day=today() - timedelta(days=1))
    ledger = Ledger(OPENING_FEN)
    seed(ledger, shop, noon())
    caller = start(Gateway(keys, ledger, clock=Clock(noon)))
    caller.control("clock", {"forward_s": 3 * DAY_S})
    day = min(refund.at for trade in ledger for refund in trade.refunds).date()
    month = f"{day:%Y-%m}"
    ran = mdash("load", str(fetched(caller, month, "trade", tmp_path)), "--json")
    assert ran.code == 0, ran.err
    paid = sum(t.amount_fen for t in ledger if t.paid_at and f"{t.paid_at:%Y-%m}" == month)
    back = sum(r.amount_fen for t in ledger for r in t.refunds if f"{r.at:%Y-%m}" == month)
    days = ("--from", f"{month}-01", "--to", f"{day + timedelta(days=31)}", "--format", "json")
    [row] = mdash("metric", "settlement", *days).json()["rows"]
    assert (row["gross_fen"], row["refunded_fen"]) == (paid, back)
    assert paid > back > 0


def test_the_account_log_comes_in_pages_and_by_order(caller: Caller) -> None:
    busy_day(caller)
    span = {"start_time": f"{today()} 00:00:00", "end_time": f"{today() + timedelta(days=1)} 00:00:00"}
    log = caller.call("alipay.data.bill.accountlog.query", span)
    assert (log["total_size"], len(log["detail_list"])) == ("9", 9)
    assert len({row["account_log_id"] for row in log["detail_list"]}) == 9
    second = caller.call(
        "alipay.data.bill.accountlog.query", span | {"page_no": "2", "page_size": "5"}
    )
    assert second["detail_list"] == log["detail_list"][5:]
    own = caller.call("alipay.data.bill.accountlog.query", {"merchant_order_no": "B2"})
    assert [(row["type"], row["trans_amount"]) for row in own["detail_list"]] == [
        ("在线支付", "12.00"), ("收费", "-0.07"), ("交易退款", "-12.00"), ("退费", "0.07"),
    ]
    assert own["detail_list"][2]["merchant_out_refund_no"] == "R2"
    balance = caller.call("alipay.data.bill.balance.query", {})
    fen = caller.control("account")["balance_fen"]
    assert balance["total_amount"] == f"{fen // 100}.{fen % 100:02d}"
    empty = {"start_time": "2026-01-01 00:00:00", "end_time": "2026-03-01 00:00:00"}
    refused = caller.call("alipay.data.bill.accountlog.query", empty)
    assert refused["sub_code"] == "INVALID_PARAMETER"

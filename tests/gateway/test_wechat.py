"""WeChat Pay end to end over loopback: asked, refunded, polled, pulled and checked by mdash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from loaders.channels.wechatpay import notifications
from loaders.pull import periods
from loaders.records import Answer, refund_outcome, trade_outcome
from loaders.remote import Remote
from sample_data.gateway.gateway import Clock, china_now
from sample_data.gateway.wechat.books import Books
from sample_data.gateway.wechat.platform import Manners, Platform
from sample_data.wechat_files import APPID, MCHID
from tests.gateway.conftest import HTTP, Heard
from tests.gateway.wechat_shop import WechatShop, serving, settle_in


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wechat-keys")


@pytest.fixture(scope="module")
def answering(keys: Path) -> Iterator[Platform]:
    with serving(keys) as platform:
        yield platform


@pytest.fixture
def shop(home: Path, keys: Path, answering: Platform) -> WechatShop:
    answering.books, answering.manners, answering.clock = Books(), Manners(), Clock()
    answering.plans.clear()
    return settle_in(home, keys, answering)


@pytest.fixture
def asking(shop: WechatShop) -> Iterator[Remote]:
    with Remote(shop.settings) as found:
        yield found


def refund(asking: Remote, number: str = "R1", amount_fen: int = 1000) -> Answer[Any]:
    return asking.ask(
        "wechatpay", "refund", intent=lambda message: None, refund_no=number, order_no="M1",
        amount_fen=amount_fen, total_fen=8888,
    )


def refund_query(asking: Remote, number: str = "R1", amount_fen: int = 1000) -> str:
    return refund_outcome(asking.ask(
        "wechatpay", "refund_query", refund_no=number, order_no="M1", amount_fen=amount_fen
    ))


def query(asking: Remote) -> Answer[Any]:
    return asking.ask("wechatpay", "query", order_no="M1", amount_fen=8888)


def test_a_trade_from_order_to_refund(shop: WechatShop, asking: Remote) -> None:
    assert trade_outcome(query(asking)) == "unpaid"
    made = asking.ask("wechatpay", "precreate", order_no="M1", amount_fen=8888, title="保温杯",
                      notify_url="https://example.com/notify/wechatpay")
    assert made.data.qr_code.startswith("weixin://")
    shop.platform.books.pay(shop.platform.books.trade("M1"), china_now())
    assert trade_outcome(query(asking)) == "paid"
    shop.platform.manners.refund_state = "PROCESSING"
    assert refund_outcome(refund(asking)) == "unknown"
    assert refund_query(asking) == "unknown"
    shop.platform.books.refund_of("R1")[1].state = "SUCCESS"
    assert refund_query(asking) == "done"
    assert refund_outcome(refund(asking)) == "done"
    assert shop.platform.books.trade("M1").refunded_fen == 1000
    by_number = asking.ask("wechatpay", "query", trade_no=query(asking).data.trade_no)
    assert by_number.data.order_no == "M1"


def test_the_platforms_rules_of_refunds(shop: WechatShop, asking: Remote) -> None:
    shop.paid("M1", china_now() - timedelta(days=1))
    assert refund_outcome(refund(asking, amount_fen=8889)) == "refused"
    assert refund_outcome(refund(asking)) == "done"
    soon = refund(asking, "R2")
    assert (refund_outcome(soon), soon.code) == ("unknown", "FREQUENCY_LIMITED")
    for number in range(2, 51):
        shop.platform.clock.forward(61)
        assert refund_outcome(refund(asking, f"R{number}", 1)) == "done"
    shop.platform.clock.forward(61)
    assert refund_outcome(refund(asking, "R51", 1)) == "refused"
    shop.paid("M2", china_now() - timedelta(days=366))
    old = asking.ask("wechatpay", "refund", intent=lambda message: None, refund_no="Q1",
                     order_no="M2", amount_fen=1, total_fen=8888)
    assert refund_outcome(old) == "refused"


@pytest.mark.slow
@pytest.mark.parametrize("how", [
    "unsigned", "wrongly_signed", "stale", "probe", "other_serial", "other_order", "other_amount",
    "truncated", "cut_off", "system_error_after", "bad_gateway_after", "reset_after",
])
def test_a_refund_whose_answer_misleads_is_unknown_and_settled_by_the_query(
    shop: WechatShop, asking: Remote, how: str
) -> None:
    shop.paid("M1", china_now() - timedelta(days=1))
    shop.platform.plans.add({"how": how, "method": "refund", "times": None})
    assert refund_outcome(refund(asking)) == "unknown"
    assert shop.platform.books.trade("M1").refunded_fen == 1000
    assert refund_query(asking) == "done"


@pytest.mark.parametrize("how", ["unsigned", "probe", "stale", "other_order", "bad_gateway_before"])
def test_a_query_is_believed_only_if_it_verifies(
    shop: WechatShop, asking: Remote, how: str
) -> None:
    shop.paid("M1", china_now())
    shop.platform.plans.add({"how": how, "method": "query", "times": None})
    answer = query(asking)
    assert (trade_outcome(answer), answer.data) == ("unknown", None)
    lines = (shop.home / "logs").glob("calls-*.jsonl")
    said = [json.loads(line) for path in lines for line in path.read_text("utf-8").splitlines()]
    assert {line["outcome"] for line in said} == {"unknown"}
    assert {line["request"]["out_trade_no"] for line in said} == {"M1"}


@pytest.mark.slow
def test_mdash_query_and_poll_settle_overdue_orders(shop: WechatShop) -> None:
    at = china_now().replace(microsecond=0) - timedelta(hours=1)
    events = []
    for order_no in ("M1", "M2"):
        events += [
            {"event": "order", "order_no": order_no, "at": f"{at.isoformat()}+08:00",
             "channel": "wechatpay", "amount": "88.88",
             "expires_at": f"{(at + timedelta(minutes=30)).isoformat()}+08:00"},
            {"event": "attempt", "order_no": order_no, "at": f"{at.isoformat()}+08:00",
             "method": "wechatpay.native", "reached_channel": True},
        ]
    path = shop.home / "checkout.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")
    assert shop.mdash("load", str(path)).code == 0
    shop.paid("M1", at + timedelta(minutes=5))
    shop.platform.books.close(shop.placed("M2", at))
    asked = shop.mdash("query", "M1", "--json")
    assert (asked.code, asked.json()["outcome"]) == (0, "paid"), asked.err
    polled = shop.mdash("poll", "--json")
    assert polled.code == 0, polled.err
    assert (polled.json()["asked"], polled.json()["closed"]) == (1, 1)
    found = shop.rows("select order_no, paid_at is not null as is_paid from trades order by 1")
    assert found == [{"order_no": "M1", "is_paid": True}, {"order_no": "M2", "is_paid": False}]
    assert shop.mdash("poll", "--json").json()["asked"] == 0


def days_ago(count: int) -> date:
    return china_now().date() - timedelta(days=count)


def pulled(shop: WechatShop, first: int, last: int, *more: str) -> tuple[int, dict[str, str]]:
    ran = shop.mdash("pull", "wechatpay", "--from", f"{days_ago(first)}", "--to", f"{days_ago(last)}",
                     *more, "--json")
    return ran.code, {bill["day"]: bill["status"] for bill in ran.json()["days"]}


@pytest.mark.slow
def test_bills_are_pulled_checked_by_their_digest_and_agree(shop: WechatShop) -> None:
    for ago in (5, 3):
        trade = shop.paid(f"A{ago}", datetime.combine(days_ago(ago), time(12)), 100_00)
        shop.refunded(trade, f"R{ago}", 5_00, timedelta(hours=1))
    names = [f"{days_ago(ago)}" for ago in (5, 4, 3)]
    wanted = dict(zip(names, ("loaded", "empty", "loaded"), strict=True))
    assert pulled(shop, 5, 3) == (0, wanted)
    assert pulled(shop, 5, 3) == (0, dict.fromkeys(names, "duplicate"))
    assert pulled(shop, 5, 3, "--kind", "account") == (0, wanted)
    found = shop.rows("select sum(receipt_fen) as net, count(*) as n from settlement_lines")
    assert found == [{"net": 190_00, "n": 4}]
    [row] = shop.mdash("metric", "settlement", "--from", names[0], "--to", names[2], "--format",
                       "json").json()["rows"]
    assert (row["gross_fen"], row["refunded_fen"]) == (200_00, 10_00)


@pytest.mark.slow
def test_a_bill_whose_bytes_are_not_the_promised_ones_is_not_loaded(
    shop: WechatShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.paid("A5", datetime.combine(days_ago(5), time(12)), 100_00)
    shop.paid("A6", datetime.combine(days_ago(6), time(12)), 7_00)
    link, other = shop.platform.link, []

    def swapped(content: bytes, packed: bytes) -> dict[str, str]:
        other.append(packed)
        return link(content, other[0])

    monkeypatch.setattr(shop.platform, "link", swapped)
    assert pulled(shop, 6, 5) == (
        4, {f"{days_ago(6)}": "loaded", f"{days_ago(5)}": "refused"}
    )


@pytest.mark.slow
def test_months_are_fetched_by_day_and_only_as_far_back_as_bills_are_kept(shop: WechatShop) -> None:
    days = [date(2026, 9, 1) + timedelta(days=number) for number in range(30)]
    found = list(periods(days, date(2026, 11, 20), has_months=False))
    assert [item.name for item in found] == [f"{day}" for day in days]
    ran = shop.mdash("pull", "wechatpay", "--from", f"{days_ago(91)}", "--to", f"{days_ago(90)}")
    assert ran.code == 2
    assert f"{days_ago(90)}" in ran.err


@pytest.mark.slow
def test_check_asks_the_channel_and_says_what_is_wrong(shop: WechatShop) -> None:
    def findings() -> dict[str, dict[str, Any]]:
        found: list[dict[str, Any]] = shop.mdash("check", "--json").json()["findings"]
        return {item["what"]: item for item in found if "微信" in item["what"]}

    good = findings()
    assert good["Asking 微信支付"]["ok"], good
    assert good["Answer of 微信支付"]["ok"], good
    shop.platform.plans.add({"how": "wrongly_signed", "times": None})
    assert not findings()["Answer of 微信支付"]["ok"]


def test_a_payment_is_told_encrypted(shop: WechatShop, merchant: Heard) -> None:
    platform = shop.platform
    platform.manners.notify_url, platform.manners.speed = merchant.url, 1000
    shop.placed("M1", china_now())
    HTTP.post(f"{platform.base_url}/control/pay", json={"order": "M1"}).raise_for_status()
    [(_, _, body)] = merchant.wait(1)
    opened = notifications.Keys({}, platform.keys.api_key, MCHID, APPID)
    told = notifications.resource(json.loads(body), opened)
    assert (told["out_trade_no"], told["amount"]["total"]) == ("M1", 8888)
    assert "oBUYER" not in body

"""Every misbehaviour shows on the wire as it is said, and the money moved or not, as it is said."""

from __future__ import annotations

import json
from time import monotonic

import httpx
import pytest

from sample_data.gateway.misbehaviour import KINDS, UnknownMisbehaviour, read_behaviour
from tests.gateway.conftest import HTTP, Caller

pytestmark = pytest.mark.slow

REFUND = "alipay.trade.refund"


@pytest.fixture
def shop(caller: Caller) -> Caller:
    """A gateway with one paid order, M1, of 12 yuan."""
    caller.paid("M1")
    return caller


def refunded_fen(shop: Caller) -> int:
    found: int = shop.control("trades/M1")["refunded_fen"]
    return found


def ask_refund(shop: Caller, how: str, timeout: float = 5) -> httpx.Response:
    fields = shop.fields(
        REFUND, {"out_trade_no": "M1", "refund_amount": "5.00", "out_request_no": "R1"}
    )
    return HTTP.post(
        shop.url, data=fields, headers={"X-Misbehave": how} if how else {}, timeout=timeout
    )


@pytest.mark.parametrize(
    ("how", "code", "sub_code", "moved"),
    [
        ("unavailable_before", "20000", "isp.unknow-error", 0),
        ("unavailable_after", "20000", "isp.unknow-error", 500),
        ("system_error_before", "40004", "ACQ.SYSTEM_ERROR", 0),
        ("system_error_after", "40004", "ACQ.SYSTEM_ERROR", 500),
        ("rate_limit", "40005", "isv.app-call-limited", 0),
        ("refuse=ACQ.SELLER_BALANCE_NOT_ENOUGH", "40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH", 0),
    ],
)
def test_errors_before_and_after_the_money_moved(
    shop: Caller, how: str, code: str, sub_code: str, moved: int
) -> None:
    answer = shop.read(ask_refund(shop, how), {})
    assert answer.is_verified
    assert (answer.node["code"], answer.node["sub_code"]) == (code, sub_code)
    assert refunded_fen(shop) == moved
    assert shop.refund("M1", "5.00", "R1")["fund_change"] == ("N" if moved else "Y")
    assert refunded_fen(shop) == 500


@pytest.mark.parametrize(("side", "moved"), [("before", 0), ("after", 500)])
def test_the_connection_is_reset(shop: Caller, side: str, moved: int) -> None:
    with pytest.raises(httpx.ReadError, match="reset"):
        ask_refund(shop, f"reset_{side}")
    assert refunded_fen(shop) == moved


@pytest.mark.parametrize(("side", "moved"), [("before", 0), ("after", 500)])
def test_silence_until_the_caller_gives_up(shop: Caller, side: str, moved: int) -> None:
    with pytest.raises(httpx.ReadTimeout):
        ask_refund(shop, f"silent_{side}", timeout=0.3)
    assert refunded_fen(shop) == moved


@pytest.mark.parametrize(("side", "moved"), [("before", 0), ("after", 500)])
def test_a_page_with_status_502(shop: Caller, side: str, moved: int) -> None:
    response = ask_refund(shop, f"bad_gateway_{side}")
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")
    assert "<h1>502 Bad Gateway</h1>" in response.text
    assert refunded_fen(shop) == moved


@pytest.mark.parametrize("how", ["slow=0.3", "drip=0.3"])
def test_late_and_dripping_answers_are_good_ones(shop: Caller, how: str) -> None:
    started = monotonic()
    assert shop.read(ask_refund(shop, how), {}).is_verified
    assert monotonic() - started >= 0.3


def test_the_fund_change_hides_that_money_moved(shop: Caller) -> None:
    answer = shop.read(ask_refund(shop, "fund_change_n"), {})
    assert (answer.is_verified, answer.node["fund_change"]) == (True, "N")
    assert refunded_fen(shop) == 500


def test_signatures_are_left_out_or_wrong(shop: Caller) -> None:
    unsigned = shop.read(ask_refund(shop, "unsigned"), {})
    assert (unsigned.signature, unsigned.node["code"]) == (None, "10000")
    wrong = shop.read(ask_refund(shop, "wrongly_signed"), {})
    assert (len(wrong.signature or ""), wrong.is_verified) == (344, False)


def test_a_forged_node_beside_the_genuine_one(shop: Caller) -> None:
    answer = shop.read(ask_refund(shop, "duplicate_node"), {})
    name = '"alipay_trade_refund_response":'
    assert answer.text.count(name) == 2
    assert answer.is_verified
    believed = json.loads(answer.text)["alipay_trade_refund_response"]
    assert believed["trade_status"] == "TRADE_SUCCESS"
    assert "trade_status" not in answer.node


def test_an_answer_about_something_else_verifies(shop: Caller) -> None:
    other = shop.read(ask_refund(shop, "other_order"), {})
    assert (other.is_verified, other.node["out_trade_no"]) == (True, "M1X")
    amount = shop.read(ask_refund(shop, "other_amount"), {})
    assert (amount.is_verified, amount.node["refund_fee"]) == (True, "0.01")


def test_half_an_answer(shop: Caller) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(ask_refund(shop, "truncated").text)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        ask_refund(shop, "cut_off")
    assert refunded_fen(shop) == 500


def test_shuffled_is_still_verified(shop: Caller) -> None:
    assert shop.read(ask_refund(shop, "shuffled"), {}).is_verified


def test_plans_are_for_a_method_and_an_order_and_are_used_up(shop: Caller) -> None:
    shop.paid("M2")
    plan = {"how": "unavailable_after", "method": REFUND, "order": "R1", "times": 1}
    shop.control("misbehave", plan)
    assert shop.query("M1")["code"] == "10000"
    assert shop.refund("M2", "1.00", "R9")["code"] == "10000"
    assert shop.refund("M1", "5.00", "R1")["code"] == "20000"
    assert shop.refund("M1", "5.00", "R1")["fund_change"] == "N"
    shop.control("misbehave", {"how": "rate_limit", "times": None})
    assert [shop.query("M1")["code"] for _ in range(3)] == ["40005"] * 3
    shop.control("behave", {})
    assert shop.query("M1")["code"] == "10000"


def test_a_word_that_is_not_known_is_said_so(shop: Caller) -> None:
    assert ask_refund(shop, "resett").status_code == 400
    assert refunded_fen(shop) == 0
    for text in ("slow", "slow=x", "refuse", "nonsense"):
        with pytest.raises(UnknownMisbehaviour):
            read_behaviour(text)


def test_every_word_is_explained() -> None:
    from sample_data.gateway import misbehaviour

    assert [kind for kind in KINDS if f"`{kind}" not in (misbehaviour.__doc__ or "")] == []

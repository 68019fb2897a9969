"""WeChat Pay at the trade desk: asked, refunded and closed over a socket, by the channel's own rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from dashboard.identity.rights import ROLES, Person
from dashboard.operations import cancel, policy
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.policy import Order
from dashboard.operations.refunds import Refund, Refunds
from dashboard.operations.resolve import judge_question
from loaders.errors import ConfigurationError, MdashError
from loaders.records import Answer, CodeMeaning, Outcome, RefundState
from loaders.remote import Remote
from sample_data.gateway.gateway import Clock, china_now
from sample_data.gateway.wechat.books import Books, Trade
from sample_data.gateway.wechat.platform import Manners, Platform
from tests.conftest import make_home
from tests.gateway.wechat_shop import WechatShop, serving, settle_in

OMAR = Person("omar", ROLES["operator"])


@dataclass
class Desk:
    """A home's refunds and cancellations, and the platform they are made at."""

    shop: WechatShop
    refunds: Refunds

    def order(self, channel: str, order_no: str) -> Order | None:
        """What was loaded of an order."""
        at = now() - timedelta(minutes=9)
        known = {"M1": at, "M3": None}
        if order_no not in known:
            return None
        return Order(channel, order_no, None, None, 8888, known[order_no])

    def find(self, identifier: str) -> list[tuple[str, str]]:
        """Nobody looks for orders here."""
        raise NotImplementedError

    @property
    def trade(self) -> Trade:
        """M1 at the platform."""
        return self.shop.platform.books.trade("M1")

    def ask(self, amount_fen: int = 1000, reason: str = "broken", **more: Any) -> Refund:
        """Ask for a refund of M1."""
        return self.refunds.request(OMAR, "wechatpay", "M1", amount_fen, reason, **more)

    def resolved(self) -> list[str]:
        """The states of what was open, after one more run."""
        return [item.state for item in self.refunds.resolve(everything=True)]

    def sent(self) -> int:
        """Messages that move money, as the log of calls has them."""
        lines = [json.loads(line) for path in (self.shop.home / "logs").glob("calls-*.jsonl")
                 for line in path.read_text("utf-8").splitlines()]
        return sum(line["method"] == "wechatpay.refund" for line in lines)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Platform]]:
    keys = tmp_path_factory.mktemp("wechat-keys")
    with serving(keys) as answering:
        yield keys, answering


@pytest.fixture
def desk(tmp_path: Path, channel_key: bytes, platform: tuple[Path, Platform]) -> Iterator[Desk]:
    keys, answering = platform
    answering.books, answering.manners, answering.clock = Books(), Manners(), Clock()
    answering.plans.clear()
    shop = settle_in(make_home(tmp_path / "home", channel_key), keys, answering)
    shop.paid("M1", china_now() - timedelta(minutes=9))
    shop.placed("M3", china_now() - timedelta(minutes=9))
    made = Desk(shop, None)  # type: ignore[arg-type]
    with closing(Ledger(shop.settings)) as ledger, Remote(shop.settings) as remote:
        made.refunds = Refunds(shop.settings, None, ledger, remote.ask, made)  # type: ignore[arg-type]
        yield made


def test_a_refund_is_done_and_the_next_one_is_a_minute_away(desk: Desk) -> None:
    reason = "尺码不合，顾客要求退款" * 6
    done = desk.ask(1234, reason, refund_no="HZ-01_a")
    assert (done.state, done.reason) == ("done", reason)
    [made] = desk.trade.refunds
    assert (made.number, made.amount_fen, made.reason) == ("HZ-01_a", 1234, reason[:26])
    with pytest.raises(MdashError, match="seconds"):
        desk.ask(100)
    assert (len(desk.trade.refunds), desk.sent()) == (1, 1)
    waiting = desk.ask(100, wait_s=5)
    assert waiting.state == "reserved"
    assert done.sent_at
    assert waiting.sends_at
    assert waiting.sends_at - done.sent_at >= timedelta(seconds=60)
    assert desk.refunds.send_due() == []


def test_an_order_known_by_a_query_alone_is_found_at_its_channel_and_refunded(
    desk: Desk, tmp_path: Path
) -> None:
    mdash, password = desk.shop.mdash, tmp_path / "password"
    password.write_text("a long enough password", "utf-8")
    for name, role in (("ada", "admin"), ("omar", "operator")):
        ran = mdash("user", "add", name, "--role", role, "--password-file", str(password),
                    *(("--as", "ada") if name != "ada" else ()))
        assert ran.code == 0, ran.err
    asked = mdash("query", "M1", "--json")
    assert asked.code == 0, asked.err
    assert [asked.json()[name] for name in ("channel", "outcome", "amount_fen", "verified")] == [
        "wechatpay", "paid", 8888, True,
    ]
    trade = mdash("trade", "M1", "--json").json()
    assert (trade["channel"], trade["outcome"], trade["amount_fen"]) == ("wechatpay", "paid", 8888)
    made = mdash("refund", "M1", "--amount", "10.00", "--reason", "broken", "--as", "omar", "--json")
    assert (made.code, made.json()["state"]) == (0, "done")


def test_processing_is_unknown_until_the_query_proves_it(desk: Desk) -> None:
    desk.shop.platform.manners.refund_state = "PROCESSING"
    assert desk.ask().state == "unknown"
    assert [desk.resolved() for _ in range(4)] == [["unknown"]] * 4
    desk.trade.refunds[0].state = "SUCCESS"
    assert desk.resolved() == ["done"]
    assert desk.trade.refunded_fen == 1000


def test_a_closed_refund_is_refused_and_its_amount_is_free(desk: Desk) -> None:
    desk.shop.platform.manners.refund_state = "PROCESSING"
    made = desk.ask(8888)
    desk.trade.refunds[0].state = "CLOSED"
    assert desk.resolved() == ["refused"]
    assert "no money moved" in str(desk.refunds.one(made.refund_no).why)
    standing = desk.refunds.standing(OMAR, "wechatpay", "M1")
    assert (standing.remaining_fen, standing.count_left) == (8888, 50)


def test_a_stuck_refund_stays_unknown_and_says_what_to_do(desk: Desk) -> None:
    desk.shop.platform.manners.refund_state = "ABNORMAL"
    made = desk.ask(5000)
    assert (made.state, "退款异常处理" in str(made.why)) == ("unknown", True)
    assert desk.resolved() == ["unknown"]
    assert "退款异常处理" in str(desk.refunds.one(made.refund_no).why)
    assert desk.refunds.standing(OMAR, "wechatpay", "M1").remaining_fen == 3888
    desk.trade.refunds[0].state = "SUCCESS"
    assert desk.resolved() == ["done"]
    assert desk.sent() == 1


def test_a_verified_refusal_moves_no_money(desk: Desk) -> None:
    desk.shop.platform.plans.add({"how": "refuse=NOT_ENOUGH", "method": "refund", "times": None})
    made = desk.ask()
    assert (made.state, "balance" in str(made.why)) == ("refused", True)
    assert (desk.trade.refunds, desk.resolved()) == ([], [])


@pytest.mark.parametrize("how", ["unsigned", "reset_after", "other_amount"])
def test_what_is_not_proven_is_settled_by_the_query(desk: Desk, how: str) -> None:
    desk.shop.platform.plans.add({"how": how, "method": "refund", "times": None})
    assert desk.ask().state == "unknown"
    assert desk.resolved() == ["done"]
    assert (desk.trade.refunded_fen, desk.sent()) == (1000, 1)


def test_a_lost_message_is_repeated_under_its_number(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "_LONGEST_REPEAT", timedelta(milliseconds=10))
    desk.shop.platform.plans.add({"how": "reset_before", "method": "refund"})
    assert desk.ask(refund_no="R1").state == "unknown"
    for _ in range(4):
        if desk.resolved() == ["done"]:
            break
    assert [(item.number, item.amount_fen) for item in desk.trade.refunds] == [("R1", 1000)]
    assert desk.sent() == 2


def test_of_two_refunds_at_once_one_is_sent(desk: Desk) -> None:
    start = Barrier(2)

    def ask(number: str) -> str:
        settings = desk.shop.settings
        with closing(Ledger(settings)) as ledger, Remote(settings) as remote:
            own = Refunds(settings, None, ledger, remote.ask, desk)  # type: ignore[arg-type]
            start.wait(10)
            try:
                return own.request(OMAR, "wechatpay", "M1", 3000, "broken", refund_no=number).state
            except MdashError:
                return "refused at once"

    with ThreadPoolExecutor(2) as pool:
        first, second = sorted(pool.map(ask, ("A", "B")))
    assert (first, second in ("reserved", "refused at once")) == ("done", True)
    assert (desk.trade.refunded_fen, desk.sent()) == (3000, 1)


def test_cancelling_an_open_payment_closes_it(desk: Desk) -> None:
    done = cancel.cancel(desk.refunds, OMAR, "wechatpay", "M3")
    assert (done.state, done.action) == ("done", "closed")
    assert desk.shop.platform.books.trade("M3").state == "CLOSED"
    with pytest.raises(MdashError, match="refund it instead"):
        cancel.cancel(desk.refunds, OMAR, "wechatpay", "M1")


def test_cancelling_a_payment_that_was_made_is_refused(desk: Desk) -> None:
    platform = desk.shop.platform
    platform.books.pay(platform.books.trade("M3"), china_now())
    assert cancel.cancel(desk.refunds, OMAR, "wechatpay", "M3").state == "refused"
    assert platform.books.trade("M3").state == "SUCCESS"


def test_a_channel_that_only_has_bills_is_told_before_anything_is_recorded(desk: Desk) -> None:
    with closing(Ledger(desk.shop.settings)) as ledger:
        own = Refunds(desk.shop.settings, None, ledger, books=desk)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError):
            own.request(OMAR, "unionpay", "M1", 100, "broken")
        assert own.refunds() == []
        own.check_channel("wechatpay")


def state(name: str, *, is_known: bool) -> Answer[RefundState]:
    said = CodeMeaning("said", "do", Outcome(None, None, None, known=is_known), is_known, False)
    return Answer(RefundState("R1", "M1", None, name), is_known, False, True, meaning=said)  # type: ignore[arg-type]


def test_a_closed_refund_is_refused_even_after_an_earlier_message_was_lost() -> None:
    at = now()
    lost = Refund("R1", "wechatpay", "M1", None, 1000, "broken", "unknown", "omar", None, None, at, at,
                  uncertain_at=at)
    closed = judge_question(lost, state("closed", is_known=True), at)
    assert closed
    assert closed.state == "refused"
    stuck = judge_question(lost, state("stuck", is_known=False), at)
    assert stuck
    assert (stuck.state, stuck.refusal) == ("unknown", None)

"""Random refund histories against every fault of the gateway: its money and the ledger agree."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from dashboard.identity.rights import Person
from dashboard.operations import audit
from dashboard.operations.ledger import now
from dashboard.operations.refund_tables import REFUNDS
from loaders.errors import MdashError, RefusedInput
from tests.desk.conftest import OLGA, OMAR, PAUL, PIA, Desk, agree, person

FAULTS = (
    "silent_before", "silent_after", "reset_before", "reset_after", "unavailable_before",
    "unavailable_after", "system_error_before", "system_error_after", "bad_gateway_before",
    "bad_gateway_after", "rate_limit", "fund_change_n", "other_order", "other_amount", "unsigned",
    "wrongly_signed", "duplicate_node", "truncated", "unreachable",
    "refuse=ACQ.SELLER_BALANCE_NOT_ENOUGH", "refuse=ACQ.TRADE_HAS_CLOSE",
    "refuse=ACQ.DISCORDANT_REPEAT_REQUEST", "refuse=ACQ.UNHEARD_OF", "refuse=ACQ.TRADE_NOT_EXIST",
)
BOUND_FEN = 6_000


class Killed(BaseException):
    """This process is gone: nothing of it runs any more."""


class History:
    """One order's story: what people did and what went wrong, all from one seed."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.order_no = f"H{seed}"
        self.guard = threading.Lock()
        desk.paid(self.order_no, self.chance.choice((10_000, 1, 999, 12_345)))
        self.people: tuple[Person, ...] = (
            OMAR, OLGA, PAUL, PIA, person("little", refund_limit_fen=500),
        )
        self.numbers: list[str] = []
        self.faultiness = self.chance.choice((0.0, 0.3, 0.7, 1.0))

    def run(self) -> None:
        """Some acts, now and then several at once; in the end everything is resolved."""
        self.desk.wire.plan = self._fault
        for _ in range(self.chance.randint(2, 6)):
            if self.chance.random() < 0.2:
                self._together([self._act(), self._act()])
            else:
                _tried(self._act())
            agree(self.desk, self.order_no, at_rest=False)
        boss = person("boss", "admin")
        for refund in self.desk.refunds.refunds(states=["awaiting_approval"]):
            if self.chance.random() < 0.5:
                self.desk.refunds.approve(boss, refund.refund_no)
            else:
                self.desk.refunds.decline(boss, refund.refund_no, "no")
        self.desk.settle()
        agree(self.desk, self.order_no)

    def _fault(self, _: str) -> str:
        with self.guard:
            if self.chance.random() >= self.faultiness:
                return ""
            return self.chance.choice(FAULTS)

    def _act(self) -> Callable[[], object]:
        desk, chance = self.desk, self.chance
        kind = chance.choice(("ask", "ask", "ask", "again", "approve", "decline", "withdraw",
                              "resolve", "due", "kill"))
        who = chance.choice(self.people)
        amount = chance.choice((1, 400, 3_000, 6_000, 6_001, 10_000, 12_345))
        if kind in ("ask", "again", "kill"):
            known = kind == "again" and self.numbers
            number = chance.choice(self.numbers) if known else f"{self.order_no}-{len(self.numbers)}"
            wait_s = chance.choice((0, 0, 0, 0.001))
            if not known:
                self.numbers.append(number)
            if kind == "kill":
                return lambda: self._dies(who, amount, number)
            return lambda: desk.ask(amount, who, self.order_no, refund_no=number, wait_s=wait_s)
        if kind == "resolve":
            return lambda: desk.refunds.resolve(everything=True)
        if kind == "due":
            return desk.refunds.send_due
        if not self.numbers:
            return lambda: None
        number = chance.choice(self.numbers)
        if kind == "decline":
            return lambda: desk.refunds.decline(who, number, "no")
        return lambda: getattr(desk.refunds, kind)(who, number)

    def _dies(self, who: Person, amount: int, number: str) -> None:
        """A process asks and is gone before, during or after its message."""
        other, when = self.desk.process(), self.chance.choice(("before", "after"))
        wire = self.desk.wire
        mine = threading.get_ident()

        def die(_: str) -> None:
            if threading.get_ident() == mine:
                other.ledger.transaction = _dead  # type: ignore[method-assign]
                raise Killed

        setattr(wire, when, die)
        try:
            other.request(who, "alipay", self.order_no, amount, "dies", refund_no=number)
        except Killed:
            self._forget(number)
        except MdashError:
            pass
        finally:
            setattr(wire, when, lambda _: None)
            other.ledger.close()

    def _forget(self, number: str) -> None:
        """Its lease runs out."""
        with self.desk.ledger.transaction() as connection:
            connection.execute(
                update(REFUNDS)
                .where(REFUNDS.c.refund_no == number, REFUNDS.c.state == "submitting")
                .values(lease_until=now())
            )

    def _together(self, acts: list[Callable[[], object]]) -> None:
        threads = [threading.Thread(target=_tried, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _dead(*_: Any) -> Any:
    raise Killed


def _tried(act: Callable[[], object]) -> None:
    try:
        act()
    except RefusedInput:
        return


def histories(desk: Desk, seeds: range) -> None:
    rules = desk.settings.refunds
    rules.approval_above = rules.max_amount = None
    rules.approval_above = Decimal(BOUND_FEN).scaleb(-2)
    for seed in seeds:
        try:
            History(desk, seed).run()
        except AssertionError as error:
            raise AssertionError(f"history {seed}: {error}") from error
        desk.wire.heard.clear()
    assert audit.verify(desk.ledger).ok


def test_twenty_histories_end_in_agreement(desk: Desk) -> None:
    histories(desk, range(20))


@pytest.mark.slow
def test_two_thousand_histories_end_in_agreement(desk: Desk) -> None:
    histories(desk, range(1_000, 3_000))

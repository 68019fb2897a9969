"""A process that asks for refunds and kills itself at a step of its own choosing; run as a program.

It forks one child for each line `{"acts": [...]}` it reads, waits for them and says how they ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from dashboard.identity.rights import ROLES, Person
from dashboard.operations import policy, resolve
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.policy import Order
from dashboard.operations.refunds import Refunds
from loaders.errors import RefusedInput
from loaders.remote import Remote
from loaders.settings import load_settings

REFUSED, FAILED = 4, 1
PAID_FEN = 10_000


class Books:
    """Every order is paid."""

    def order(self, channel: str, order_no: str) -> Order:
        """An order of 100 yuan."""
        return Order(channel, order_no, None, None, PAID_FEN, now() - timedelta(hours=1))

    def find(self, identifier: str) -> list[tuple[str, str]]:
        """The order of this number."""
        return [("alipay", identifier)]


class Steps:
    """Counts the steps of this process, and kills it at one of them."""

    def __init__(self, last: int | None) -> None:
        self._last, self._count = last, 0

    def __call__(self) -> None:
        self._count += 1
        if self._count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


class SteppingLedger(Ledger):
    """A ledger whose transactions are steps: before, within, and once they stand."""

    steps: Steps

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.steps()
        with super().transaction() as connection:
            yield connection
            self.steps()
        self.steps()


def act(home: Path, what: dict[str, Any]) -> int:
    """Do one thing in a home."""
    policy.SPACING["alipay"] = timedelta(milliseconds=what.get("spacing_ms", 1))
    resolve.QUIET = timedelta(milliseconds=1)
    settings = load_settings(home)
    steps = Steps(what.get("kill"))
    ledger = SteppingLedger(settings)
    ledger.steps = steps
    remote = Remote(settings)

    def ask(channel: str, call: str, **fields: Any) -> Any:
        steps()
        answer = remote.ask(channel, call, **fields)
        steps()
        return answer

    refunds = Refunds(settings, None, ledger, ask, Books())  # type: ignore[arg-type]
    person = Person(what.get("by", "omar"), ROLES[what.get("role", "operator")])
    if until := what.get("at"):
        time.sleep(max(0.0, until - time.time()))
    try:
        if what["do"] == "request":
            refunds.request(person, "alipay", what["order_no"], what["fen"], "broken",
                            refund_no=what["refund_no"])
        elif what["do"] == "approve":
            refunds.approve(person, what["refund_no"])
        else:
            refunds.resolve(everything=True)
    except RefusedInput:
        return REFUSED
    return 0


def main() -> None:
    """Fork, wait, report: a code for each act, negative for the signal that ended it."""
    home = Path(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        children = [_forked(home, what) for what in json.loads(line)["acts"]]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


def _forked(home: Path, what: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = FAILED
    try:
        code = act(home, what)
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()

"""A process that is gone is recognised; one that lives keeps its claim."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

from dashboard.operations.claims import is_gone, lease, new_holder, timeout_s
from dashboard.operations.ledger import now
from tests.desk.conftest import Desk

LATER = timedelta(minutes=5)
_SAY = "from dashboard.operations.claims import new_holder; print(new_holder())"


def test_a_living_process_keeps_its_claim_until_the_lease_ends() -> None:
    at, mine = now(), new_holder()
    assert mine != new_holder()
    assert not is_gone(mine, at + LATER, at)
    assert is_gone(mine, at, at)
    assert is_gone(None, at + LATER, at)


def test_a_dead_process_is_gone_at_once_and_a_reused_number_is_not_it() -> None:
    at = now()
    theirs = subprocess.run(
        [sys.executable, "-c", _SAY], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert is_gone(theirs, at + LATER, at)
    place, pid, born, token = new_holder().split("|")
    assert int(pid) == os.getpid()
    assert is_gone(f"{place}|{pid}|{int(born) - 1}|{token}", at + LATER, at)


def test_of_another_machine_only_the_lease_tells() -> None:
    at = now()
    assert not is_gone("elsewhere|1|1|x", at + LATER, at)
    assert is_gone("elsewhere|1|1|x", at - LATER, at)


def test_a_lease_outlasts_any_command(desk: Desk) -> None:
    assert timeout_s(desk.settings, "alipay") == 2
    assert lease(desk.settings, "alipay") > timedelta(seconds=4 * 2 + 15)
    assert timeout_s(desk.settings, "wechatpay") == 10

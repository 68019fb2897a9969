"""The work queue: who may do what, and what becomes of it when the books change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dashboard.identity.rights import ROLES, Person, Role
from dashboard.operations import audit
from dashboard.operations import reconciliation_items as work
from dashboard.operations.ledger import Ledger
from dashboard.operations.tables import AUDIT_TRAIL
from loaders.errors import Forbidden, RefusedInput
from loaders.settings import load_settings

ITEM: dict[str, Any] = {
    "item": "00ff00ff00ff00ff", "class": "short", "amount_fen": 8800, "bill": "trade_bill",
    "channel": "alipay", "day": date(2026, 10, 28), "order_no": "M1",
}
ANNA, BEN = Person("anna", ROLES["approver"]), Person("ben", ROLES["approver"])
VIEWER = Person("vera", ROLES["viewer"])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(load_settings(tmp_path))
    yield made
    made.close()


def state(ledger: Ledger) -> str:
    return work.works(ledger, [ITEM["item"]])[ITEM["item"]].state


def actions(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.reading() as connection:
        rows = connection.execute(select(AUDIT_TRAIL).order_by(AUDIT_TRAIL.c.seq)).mappings()
        return [(row["actor"], row["action"]) for row in rows]


def test_a_write_off_takes_two_people(ledger: Ledger) -> None:
    work.propose_write_off(ledger, ANNA, ITEM, "The channel refuses to mend it.")
    with pytest.raises(Forbidden):
        work.approve_write_off(ledger, ANNA, ITEM)
    with pytest.raises(Forbidden):
        work.approve_write_off(ledger, Person("otto", ROLES["operator"]), ITEM)
    assert state(ledger) == "write_off_proposed"
    done = work.approve_write_off(ledger, BEN, ITEM)
    assert (done.state, done.proposed_by, done.approved_by) == ("written_off", "anna", "ben")
    assert actions(ledger) == [("anna", "item_write_off_proposed"), ("ben", "item_written_off")]
    assert audit.verify(ledger).ok


def test_nothing_is_approved_that_nobody_proposed(ledger: Ledger) -> None:
    with pytest.raises(RefusedInput):
        work.approve_write_off(ledger, BEN, ITEM)
    work.explain(ledger, ANNA, ITEM, "Paid in cash.")
    with pytest.raises(RefusedInput):
        work.approve_write_off(ledger, BEN, ITEM)


def test_an_approver_has_a_limit(ledger: Ledger) -> None:
    work.propose_write_off(ledger, ANNA, ITEM, "Old.")
    small = Person("cora", Role("small", frozenset({"approve"}), approve_limit_fen=8799))
    with pytest.raises(Forbidden):
        work.approve_write_off(ledger, small, ITEM)


def test_a_viewer_does_nothing(ledger: Ledger) -> None:
    acts: tuple[Callable[[], object], ...] = (
        lambda: work.assign(ledger, VIEWER, ITEM, "vera"),
        lambda: work.explain(ledger, VIEWER, ITEM, "mine"),
        lambda: work.propose_write_off(ledger, VIEWER, ITEM, "mine"),
        lambda: work.approve_write_off(ledger, VIEWER, ITEM),
        lambda: work.reopen(ledger, VIEWER, ITEM),
    )
    for act in acts:
        with pytest.raises(Forbidden):
            act()
    assert actions(ledger) == []


def test_what_was_written_off_is_opened_by_an_approver_alone(ledger: Ledger) -> None:
    work.propose_write_off(ledger, ANNA, ITEM, "Old.")
    work.approve_write_off(ledger, BEN, ITEM)
    with pytest.raises(Forbidden):
        work.reopen(ledger, Person("otto", ROLES["operator"]), ITEM)
    with pytest.raises(RefusedInput):
        work.explain(ledger, ANNA, ITEM, "No.")
    assert work.reopen(ledger, ANNA, ITEM).state == "open"


def test_another_amount_voids_the_approval_and_keeps_the_owner(ledger: Ledger) -> None:
    work.assign(ledger, ANNA, ITEM, " ben ")
    work.propose_write_off(ledger, ANNA, ITEM, "Old.")
    changed = ITEM | {"amount_fen": 880_000}
    with pytest.raises(RefusedInput):
        work.approve_write_off(ledger, BEN, changed)
    assert not work.works(ledger, [ITEM["item"]])[ITEM["item"]].concerns(changed)
    again = work.explain(ledger, ANNA, changed, "Found.")
    assert (again.owner, again.state, again.amount_fen) == ("ben", "explained", 880_000)


def test_a_decline_leaves_it_open(ledger: Ledger) -> None:
    work.propose_write_off(ledger, ANNA, ITEM, "Old.")
    assert work.decline_write_off(ledger, BEN, ITEM).state == "open"
    assert actions(ledger)[-1] == ("ben", "item_write_off_declined")


@pytest.mark.parametrize("note", ["", "  \n ", "x" * 501])
def test_an_explanation_says_something(ledger: Ledger, note: str) -> None:
    with pytest.raises(RefusedInput):
        work.explain(ledger, ANNA, ITEM, note)

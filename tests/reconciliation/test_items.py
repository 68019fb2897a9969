"""The work queue: who may do what, and what becomes of it when the books change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import LOCAL, ROLES, Person, Role
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
VIEWER, OTTO = Person("vera", ROLES["viewer"]), Person("otto", ROLES["operator"])
PASSWORD = "correct horse battery"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(load_settings(tmp_path))
    accounts = Accounts(made)
    accounts.add(None, "root", "admin", PASSWORD)
    root = accounts.person("root")
    for person in (ANNA, BEN, VIEWER, OTTO):
        accounts.add(root, person.name, person.role.name)
    yield made
    made.close()


def state(ledger: Ledger) -> str:
    return work.works(ledger, [ITEM["item"]])[ITEM["item"]].state


def actions(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.reading() as connection:
        rows = connection.execute(select(AUDIT_TRAIL).order_by(AUDIT_TRAIL.c.seq)).mappings()
        return [(row["actor"], row["action"]) for row in rows if row["action"].startswith("item_")]


def test_a_write_off_takes_two_people(ledger: Ledger) -> None:
    work.propose_write_off(ledger, ANNA, ITEM, "The channel refuses to mend it.")
    with pytest.raises(Forbidden):
        work.approve_write_off(ledger, ANNA, ITEM)
    with pytest.raises(Forbidden):
        work.approve_write_off(ledger, OTTO, ITEM)
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
    accounts = Accounts(ledger)
    root = accounts.person("root")
    accounts.save_role(root, Role("small", frozenset({"see", "approve"}), approve_limit_fen=8799))
    accounts.add(root, "cora", "small")
    small = accounts.person("cora")
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
        work.reopen(ledger, OTTO, ITEM)
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


def test_rights_taken_away_since_the_proposal_count(ledger: Ledger) -> None:
    accounts = Accounts(ledger)
    root = accounts.person("root")
    work.propose_write_off(ledger, OTTO, ITEM, "Old.")
    for take, give in (
        (lambda: accounts.disable(root, "otto"), lambda: accounts.enable(root, "otto")),
        (lambda: accounts.set_role(root, "otto", "viewer"),
         lambda: accounts.set_role(root, "otto", "operator")),
    ):
        take()
        with pytest.raises(RefusedInput):
            work.approve_write_off(ledger, BEN, ITEM)
        give()
    accounts.set_role(root, "ben", "operator")
    with pytest.raises(Forbidden):
        work.approve_write_off(ledger, BEN, ITEM)
    accounts.disable(root, "ben")
    with pytest.raises(Forbidden):
        work.approve_write_off(ledger, BEN, ITEM)
    assert state(ledger) == "write_off_proposed"
    assert work.approve_write_off(ledger, ANNA, ITEM).approved_by == "anna"


def test_nobody_in_particular_proposes_no_write_off(ledger: Ledger) -> None:
    with pytest.raises(Forbidden):
        work.propose_write_off(ledger, LOCAL, ITEM, "Old.")
    assert work.explain(ledger, LOCAL, ITEM, "Found.").state == "explained"


def test_of_two_approvals_at_once_one_counts(ledger: Ledger) -> None:
    work.propose_write_off(ledger, OTTO, ITEM, "Old.")
    start = Barrier(2)

    def approve(person: Person) -> str:
        start.wait(10)
        try:
            return work.approve_write_off(ledger, person, ITEM).approved_by or ""
        except RefusedInput:
            return "late"

    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(approve, (ANNA, BEN)))
    assert done in (["anna", "late"], ["ben", "late"])
    assert [action for _, action in actions(ledger)].count("item_written_off") == 1
    assert audit.verify(ledger).ok

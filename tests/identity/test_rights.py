"""Every role against every right and every act of an administrator: one row each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import LOCAL, NOBODY, RIGHTS, ROLES, SYSTEM, Person, Role
from loaders.errors import Forbidden

MAY: dict[str, set[str]] = {
    "viewer": {"see"},
    "analyst": {"see", "export"},
    "operator": {"see", "query", "refund"},
    "approver": {"see", "query", "refund", "approve", "export", "unmask"},
    "admin": {"see", "query", "refund", "approve", "export", "unmask", "load", "administer"},
    "local": {"see", "query", "export", "unmask", "load"},
    "system": {"see", "query"},
    "nobody": set(),
}
PEOPLE = {name: Person(name, role) for name, role in ROLES.items()} | {
    person.name: person for person in (LOCAL, SYSTEM, NOBODY)
}
ACTS: dict[str, Callable[[Accounts, Person], object]] = {
    "add an account": lambda accounts, me: accounts.add(me, "eve", "viewer"),
    "change a role": lambda accounts, me: accounts.set_role(me, "viewer", "analyst"),
    "disable": lambda accounts, me: accounts.disable(me, "viewer"),
    "enable": lambda accounts, me: accounts.enable(me, "viewer"),
    "reset a password": lambda accounts, me: accounts.reset(me, "viewer"),
    "set a mail address": lambda accounts, me: accounts.set_email(me, "viewer", "v@shop.example"),
    "save a role": lambda accounts, me: accounts.save_role(me, Role("till", frozenset(("see",)))),
    "remove a role": lambda accounts, me: accounts.remove_role(me, "spare"),
}


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("name", MAY)
def test_a_role_gives_its_rights_and_no_others(name: str, right: str) -> None:
    person = PEOPLE[name]
    assert person.may(right) == (right in MAY[name])  # type: ignore[arg-type]
    if right in MAY[name]:
        person.demand(right)  # type: ignore[arg-type]
    else:
        with pytest.raises(Forbidden):
            person.demand(right)  # type: ignore[arg-type]


def test_the_table_knows_every_role() -> None:
    assert set(MAY) == set(PEOPLE)
    assert set(MAY["admin"]) == set(RIGHTS)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", MAY)
def test_an_administrators_act(name: str, act: str, accounts: Accounts) -> None:
    accounts.save_role(accounts.person("admin"), Role("spare", frozenset(("see",))))
    person = PEOPLE[name]
    if "administer" in MAY[name]:
        ACTS[act](accounts, person)
    else:
        with pytest.raises(Forbidden):
            ACTS[act](accounts, person)


def role(*rights: str, **bounds: object) -> Role:
    return Role("r", frozenset(rights), **bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize(("held", "given", "covers"), [
    (role("see", "refund", refund_limit_fen=500), role("see"), True),
    (role("see", "refund", refund_limit_fen=500), role("see", "refund"), False),
    (role("see", "refund", refund_limit_fen=500), role("see", "refund", refund_limit_fen=500), True),
    (role("see", "refund", refund_limit_fen=500), role("see", refund_limit_fen=900), True),
    (role("see", "approve", approve_limit_fen=500), role("see", "approve"), False),
    (role("see", "approve", "refund", approve_limit_fen=500), role("see", "refund"), True),
    (role("see", "refund", stores=frozenset("A")), role("see"), True),
    (role("see", "refund", stores=frozenset("A")), role("see", "refund"), False),
    (role("see", "query", stores=frozenset("A")), role("see", "query", stores=frozenset("AB")), False),
    (role("see", "query", stores=frozenset("AB")), role("see", "query", stores=frozenset("A")), True),
    (role("see"), role("see", "export"), False),
])
def test_a_limit_counts_where_the_other_role_has_the_right_it_bounds(
    held: Role, given: Role, covers: bool
) -> None:
    assert held.covers(given) == covers


@pytest.mark.parametrize(("role", "stores", "store", "passes"), [
    ("all", None, "S1", True), ("all", None, None, True), ("some", {"S1"}, "S1", True),
    ("some", {"S1"}, "S2", False), ("some", {"S1"}, None, False), ("none", set(), "S1", False),
])
def test_stores_bound_what_a_role_acts_on(
    role: str, stores: set[str] | None, store: str | None, passes: bool
) -> None:
    bound = None if stores is None else frozenset(stores)
    person = Person("p", Role(role, frozenset(("see", "refund")), stores=bound))
    if passes:
        person.demand("refund", store, any_store=False)
    else:
        with pytest.raises(Forbidden):
            person.demand("refund", store, any_store=False)

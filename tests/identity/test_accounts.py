"""Accounts and roles: nobody gives what they do not hold, and an administrator always remains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from dashboard.identity import passwords
from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import LOCAL, SYSTEM, Person, Role
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from loaders.errors import Forbidden, RefusedInput
from tests.conftest import run_mdash
from tests.identity.conftest import PASSWORD


def trail(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.reading() as connection:
        return [(row["actor"], row["action"], row["subject"]) for row in audit.entries(connection)]


def test_the_first_account_is_an_administrators(empty: Accounts) -> None:
    assert empty.is_empty
    with pytest.raises(RefusedInput):
        empty.add(None, "omar", "viewer", PASSWORD)
    empty.add(None, "omar", "admin", PASSWORD)
    assert not empty.is_empty
    with pytest.raises(Forbidden):
        empty.add(None, "eve", "admin", PASSWORD)


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "a\nb", "x" * 65, "local", "SYSTEM", "<b>"])
def test_a_name_that_is_none_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(RefusedInput):
        accounts.add(accounts.person("admin"), name, "viewer")


def test_names_that_look_the_same_are_the_same(accounts: Accounts) -> None:
    boss = accounts.person("admin")
    accounts.add(boss, "  Ａnna ", "viewer")
    assert accounts.person("ANNA").name == "anna"
    with pytest.raises(RefusedInput):
        accounts.add(boss, "anna", "viewer")


@pytest.mark.parametrize("password", [
    "short", "a" * 40, "abcabcabcabc", "123456789012", "omaromaromar", "passwordpassword",
    "omar1234567", "abcdefghijklmn", "x" * 2_000,
])
def test_an_easy_password_is_refused(empty: Accounts, password: str) -> None:
    with pytest.raises(RefusedInput):
        empty.add(None, "omar", "admin", password)


def test_a_password_is_kept_as_argon2id(
    empty: Accounts, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher())
    empty.add(None, "omar", "admin", PASSWORD)
    content = b"".join(file.read_bytes() for file in ledger.settings.home.glob("ledger.sqlite*"))
    assert b"$argon2id$v=19$m=65536,t=3," in content
    assert PASSWORD.encode() not in content
    kept = passwords.hashed(PASSWORD)
    assert passwords.agrees(kept, PASSWORD)
    assert not passwords.agrees(kept, PASSWORD + "x")
    assert not passwords.agrees(None, PASSWORD)


def test_the_last_administrator_remains(accounts: Accounts) -> None:
    boss = accounts.person("admin")
    for act in (
        lambda: accounts.disable(boss, "admin"),
        lambda: accounts.set_role(boss, "admin", "viewer"),
    ):
        with pytest.raises(RefusedInput, match="last administrator"):
            act()
    accounts.add(boss, "second", "admin")
    with pytest.raises(RefusedInput, match="last administrator"):
        accounts.disable(boss, "admin")
    accounts.add(boss, "third", "admin", PASSWORD)
    accounts.disable(boss, "admin")
    with pytest.raises(Forbidden):
        accounts.person("admin")


def test_a_disabled_administrator_does_nothing_more(accounts: Accounts, ledger: Ledger) -> None:
    """The person read before holds rights on paper only: they are read anew when acting."""
    boss = accounts.person("admin")
    accounts.add(boss, "second", "admin", PASSWORD)
    accounts.disable(boss, "second")
    with pytest.raises(Forbidden):
        accounts.add(Person("second", boss.role), "eve", "admin", PASSWORD)
    assert trail(ledger)[-1] == ("second", "refused", "eve")


def test_nobody_gives_or_takes_what_they_do_not_hold(accounts: Accounts, ledger: Ledger) -> None:
    boss = accounts.person("admin")
    accounts.save_role(boss, Role("front-office", frozenset(("see", "refund", "administer")), 10_000,
                                  stores=frozenset({"S1"})))
    accounts.add(boss, "fay", "front-office", PASSWORD)
    fay = accounts.person("fay")
    small = Role("till", frozenset(("see", "refund")), 500, stores=frozenset({"S1"}))
    accounts.save_role(fay, small)
    accounts.add(fay, "tim", "till")
    assert accounts.person("tim").role == small
    forbidden = [
        lambda: accounts.add(fay, "eve", "admin"),
        lambda: accounts.add(fay, "eve", "operator"),
        lambda: accounts.set_role(fay, "fay", "admin"),
        lambda: accounts.disable(fay, "admin"),
        lambda: accounts.reset(fay, "admin"),
        lambda: accounts.set_email(fay, "approver", "fay@shop.example"),
        lambda: accounts.save_role(fay, Role("big", frozenset(("see", "refund")), 10_001,
                                             stores=frozenset({"S1"}))),
        lambda: accounts.save_role(fay, Role("free", frozenset(("see", "refund")),
                                             stores=frozenset({"S1"}))),
        lambda: accounts.save_role(fay, Role("far", frozenset(("see", "refund")), 5)),
        lambda: accounts.save_role(fay, Role("seer", frozenset(("see", "unmask")))),
    ]
    before = [(item.name, item.role, item.is_active) for item in accounts.accounts()]
    for act in forbidden:
        with pytest.raises(Forbidden):
            act()
    assert [(item.name, item.role, item.is_active) for item in accounts.accounts()] == before
    refused = [entry for entry in trail(ledger) if entry[1] == "refused"]
    assert len(refused) == len(forbidden)
    assert audit.verify(ledger).ok


def test_a_changed_role_holds_at_once(accounts: Accounts) -> None:
    boss = accounts.person("admin")
    accounts.save_role(boss, Role("till", frozenset(("see", "refund")), 500))
    accounts.add(boss, "tim", "till")
    accounts.save_role(boss, Role("till", frozenset(("see",))))
    assert not accounts.person("tim").may("refund")
    with pytest.raises(RefusedInput, match="in use"):
        accounts.remove_role(boss, "till")
    accounts.set_role(boss, "tim", "viewer")
    accounts.remove_role(boss, "till")
    assert "till" not in {role.name for role in accounts.roles()}


def test_built_in_roles_stay(accounts: Accounts) -> None:
    boss = accounts.person("admin")
    with pytest.raises(RefusedInput):
        accounts.save_role(boss, Role("viewer", frozenset(("see", "refund"))))
    with pytest.raises(RefusedInput):
        accounts.save_role(boss, Role("blind", frozenset(("refund",))))


@pytest.mark.parametrize("person", [LOCAL, SYSTEM])
def test_the_machine_itself_is_no_administrator(accounts: Accounts, person: Person) -> None:
    with pytest.raises(Forbidden):
        accounts.add(person, "eve", "viewer")


def test_every_change_is_in_the_trail(accounts: Accounts, ledger: Ledger) -> None:
    boss = accounts.person("admin")
    accounts.add(boss, "tim", "viewer", PASSWORD)
    accounts.set_role(boss, "tim", "operator")
    accounts.reset(boss, "tim")
    accounts.set_email(boss, "tim", "Tim@shop.example")
    accounts.disable(boss, "tim")
    accounts.enable(boss, "tim")
    found = [action for actor, action, subject in trail(ledger) if subject == "tim"]
    assert found == ["account_added", "role_changed", "account_changed", "account_changed",
                     "account_disabled", "account_changed"]
    with ledger.reading() as connection:
        details = " ".join(row["detail"] for row in audit.entries(connection))
    assert "shop.example" not in details
    assert PASSWORD not in details


def test_on_the_command_line(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "password"
    file.write_text(PASSWORD + "\nsecond line\n", "utf-8")
    typed = ("--password-file", str(file))
    assert run_mdash(home, "user", "add", "omar", "--role", "viewer", *typed).code == 4
    assert run_mdash(home, "user", "add", "omar", "--role", "admin", *typed).code == 0
    assert run_mdash(home, "user", "add", "anna", "--role", "viewer", *typed).code == 4
    for actor, code in (("nobody", 4), ("omar", 0)):
        ran = run_mdash(home, "user", "add", "anna", "--role", "viewer", *typed, "--as", actor)
        assert ran.code == code, ran.err
    assert run_mdash(home, "user", "role", "omar", "viewer", "--as", "anna").code == 4
    assert run_mdash(home, "user", "role", "anna", "approver", "--as", "omar").code == 0
    assert run_mdash(home, "user", "disable", "anna", "--as", "omar").code == 0
    assert run_mdash(home, "user", "disable", "omar", "--as", "anna").code == 4
    listed = json.loads(run_mdash(home, "user", "list", "--json").out)["accounts"]
    assert [(item["name"], item["role"], item["active"]) for item in listed] == [
        ("anna", "approver", False), ("omar", "admin", True)
    ]
    refused = [(row["actor"], row["subject"]) for row in map(
        json.loads, run_mdash(home, "audit", "export").out.splitlines()
    ) if row["action"] == "refused"]
    assert refused == [("local", "anna"), ("nobody", "anna"), ("anna", "omar"), ("anna", "omar")]
    missing = run_mdash(home, "user", "add", "x", "--role", "viewer", "--as", "omar",
                        "--password-file", str(tmp_path / "none"))
    assert missing.code == 2

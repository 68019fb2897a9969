"""Signing in: who is let in, who is kept out and for how long, and how sessions end."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select

from dashboard.identity import codes, second_factor, sessions, sign_in, throttle
from dashboard.identity.accounts import Accounts
from dashboard.identity.sessions import Sessions
from dashboard.identity.sign_in import SignIn
from dashboard.identity.tables import FAILED_SIGN_INS
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger, now
from loaders.errors import ConfigurationError, Forbidden, RefusedInput
from tests.identity.conftest import PASSWORD

OTHER = "another battery of horses"


class Clock:
    """The time as the door and the sessions see it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = now().replace(microsecond=0)
        for module in (codes, sessions, sign_in, throttle):
            monkeypatch.setattr(module, "now", lambda: self.at)

    def wait(self, **span: float) -> datetime:
        self.at += timedelta(**span)
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def says(door: SignIn, name: str, password: str, code: str = "", address: str = "") -> str:
    with pytest.raises(Forbidden) as caught:
        door.prove(name, password, code, address)
    return str(caught.value)


def test_the_right_password_lets_in_and_no_other(accounts: Accounts, ledger: Ledger) -> None:
    door = SignIn(ledger)
    assert door.prove(" ADMIN ", PASSWORD) == "admin"
    told = {says(door, "admin", OTHER), says(door, "nobody-here", PASSWORD),
            says(door, "viewer", PASSWORD), says(door, "", "")}
    assert len(told) == 1


def test_a_disabled_account_is_not_let_in(accounts: Accounts, ledger: Ledger) -> None:
    boss = accounts.person("admin")
    accounts.add(boss, "eve", "viewer", PASSWORD)
    accounts.disable(boss, "eve")
    says(SignIn(ledger), "eve", PASSWORD)


def test_failures_lock_a_name_for_longer_and_longer(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door = SignIn(ledger)
    for _ in range(throttle.FREE_TRIES):
        says(door, "admin", OTHER)
    says(SignIn(Ledger(ledger.settings)), "admin", PASSWORD)
    clock.wait(seconds=61)
    says(door, "admin", OTHER)
    clock.wait(seconds=61)
    says(door, "admin", PASSWORD)
    clock.wait(seconds=60)
    assert door.prove("admin", PASSWORD) == "admin"
    says(door, "admin", OTHER)
    assert door.prove("admin", PASSWORD) == "admin"


def test_a_name_without_account_is_locked_the_same_and_never_written_down(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door = SignIn(ledger)
    for _ in range(throttle.FREE_TRIES + 2):
        says(door, PASSWORD, "typed into the wrong box")
    content = b"".join(file.read_bytes() for file in ledger.settings.home.glob("ledger.sqlite*"))
    assert PASSWORD.encode() not in content


def test_an_address_that_tries_many_names_is_locked(
    accounts: Accounts, ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "ADDRESS_TRIES", 4)
    door = SignIn(ledger)
    for number in range(4):
        says(door, f"name{number}", OTHER, address="203.0.113.9")
    says(door, "admin", PASSWORD, address="203.0.113.9")
    assert door.prove("admin", PASSWORD, address="203.0.113.10") == "admin"
    clock.wait(minutes=11)
    assert door.prove("admin", PASSWORD, address="203.0.113.9") == "admin"


def test_strangers_lock_no_person_out(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door = SignIn(ledger)
    assert door.prove("admin", PASSWORD, address="198.51.100.9") == "admin"
    for number in range(throttle.NAME_TRIES):
        says(door, "admin", OTHER, address=f"203.0.113.{number}")
        assert door.prove("admin", PASSWORD, address="198.51.100.9") == "admin"
    for number in range(4):
        says(door, "admin", OTHER, address=f"203.0.113.{number}")
    says(door, "admin", PASSWORD, address="198.51.100.77")
    for _ in range(2):
        says(door, "admin", OTHER, address="198.51.100.9")
    assert door.prove("admin", PASSWORD, address="198.51.100.9") == "admin"
    clock.wait(minutes=6)
    assert door.prove("admin", PASSWORD, address="198.51.100.77") == "admin"


def test_tries_from_a_known_address_lock_it_there_alone(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door = SignIn(ledger)
    for address in ("198.51.100.9", "198.51.100.77"):
        door.prove("admin", PASSWORD, address=address)
    for _ in range(throttle.FREE_TRIES):
        says(door, "admin", OTHER, address="198.51.100.9")
    says(door, "admin", PASSWORD, address="198.51.100.9")
    assert door.prove("admin", PASSWORD, address="198.51.100.77") == "admin"
    accounts.reset(accounts.person("admin"), "admin")
    with ledger.reading() as connection:
        assert connection.execute(select(FAILED_SIGN_INS.c.who)).scalars().all() == [
            "address:198.51.100.77", "address:198.51.100.9"
        ]


def test_many_tries_at_once_are_counted_before_they_are_looked_at(
    accounts: Accounts, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = sign_in.passwords.agrees
    monkeypatch.setattr(
        sign_in.passwords, "agrees", lambda kept, text: looked.append(text) or real(kept, text)
    )
    door = SignIn(ledger)
    threads = [threading.Thread(target=says, args=(door, "admin", f"{OTHER} {n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looked) == throttle.FREE_TRIES


def with_second_factor(ledger: Ledger, clock: Clock) -> tuple[SignIn, pyotp.TOTP]:
    door = SignIn(ledger)
    made = pyotp.TOTP(door.offer_second_factor("admin"))
    door.take_second_factor("admin", PASSWORD, code_at(made, clock.at))
    return door, made


def code_at(made: pyotp.TOTP, at: datetime) -> str:
    return made.at(int((at - datetime(1970, 1, 1)).total_seconds()))


def test_a_code_of_the_authenticator_is_good_once(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door, made = with_second_factor(ledger, clock)
    says(door, "admin", PASSWORD)
    says(door, "admin", PASSWORD, code_at(made, clock.at))
    code = code_at(made, clock.wait(seconds=60))
    assert door.prove("admin", PASSWORD, code) == "admin"
    says(door, "admin", PASSWORD, code)
    code = code_at(made, clock.wait(seconds=60))
    says(door, "admin", OTHER, code)
    assert door.prove("admin", PASSWORD, code) == "admin"


def test_the_second_factor_is_sealed_by_the_homes_key(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door, made = with_second_factor(ledger, clock)
    content = b"".join(file.read_bytes() for file in ledger.settings.home.glob("ledger.sqlite*"))
    assert made.secret.encode() not in content
    (ledger.settings.home / "keys" / "identity.key").write_bytes(b"x" * 32)
    with pytest.raises(ConfigurationError):
        door.prove("admin", PASSWORD, code_at(made, clock.wait(seconds=60)))
    sealed = second_factor.seal(b"k" * 32, "admin", "ABC")
    with pytest.raises(ConfigurationError):
        second_factor.unseal(b"k" * 32, "eve", sealed)


def test_turning_the_second_factor_on_or_off_asks_for_the_password(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door = SignIn(ledger)
    made = pyotp.TOTP(door.offer_second_factor("admin"))
    with pytest.raises(Forbidden):
        door.take_second_factor("admin", OTHER, code_at(made, clock.at))
    with pytest.raises(RefusedInput):
        door.take_second_factor("admin", PASSWORD, "000000")
    door.take_second_factor("admin", PASSWORD, code_at(made, clock.at))
    with pytest.raises(Forbidden):
        door.drop_second_factor("admin", PASSWORD, "")
    door.drop_second_factor("admin", PASSWORD, code_at(made, clock.wait(seconds=60)))
    assert door.prove("admin", PASSWORD) == "admin"


def test_a_session_ends_when_idle_and_after_a_day_at_work(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    held = Sessions(ledger)
    token = held.begin("admin")
    for _ in range(20):
        clock.wait(minutes=29)
        assert held.person(token) == accounts.person("admin")
    idle = held.begin("admin")
    clock.wait(minutes=31)
    assert held.person(idle) is None
    fresh = held.begin("admin")
    for _ in range(26):
        clock.wait(minutes=29)
        held.person(fresh)
    assert held.person(fresh) is None


def test_a_page_that_draws_itself_anew_is_not_a_person(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    held = Sessions(ledger)
    token = held.begin("admin")
    for _ in range(3):
        clock.wait(minutes=10)
        assert held.person(token, is_seen=False) is not None
    clock.wait(minutes=1)
    assert held.person(token, is_seen=False) is None


def test_the_ledger_holds_no_token(accounts: Accounts, ledger: Ledger) -> None:
    token = Sessions(ledger).begin("admin")
    content = b"".join(file.read_bytes() for file in ledger.settings.home.glob("ledger.sqlite*"))
    assert token.encode() not in content
    assert len(token) >= 43


def test_being_seen_is_noted_once_a_minute(
    accounts: Accounts, ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, noted = Sessions(ledger), []
    token = held.begin("admin")
    monkeypatch.setattr(held, "_note", lambda key, at: noted.append(at))
    for _ in range(30):
        clock.wait(seconds=2)
        held.person(token)
    assert noted == []
    clock.wait(seconds=2)
    held.person(token)
    assert len(noted) == 1


def test_a_session_follows_its_account(accounts: Accounts, ledger: Ledger) -> None:
    held, boss = Sessions(ledger), accounts.person("admin")
    token = held.begin("viewer")
    accounts.set_role(boss, "viewer", "operator")
    person = held.person(token)
    assert person is not None
    assert person.may("refund")
    accounts.disable(boss, "viewer")
    assert held.person(token) is None
    accounts.enable(boss, "viewer")
    assert held.person(token) is None
    with pytest.raises(Forbidden):
        held.begin("nobody-here")


def test_signing_out_here_and_everywhere(accounts: Accounts, ledger: Ledger) -> None:
    held = Sessions(ledger)
    one, two, three = (held.begin("admin") for _ in range(3))
    held.end(one)
    assert held.person(one) is None
    held.end_all("admin", keep=three)
    assert held.person(two) is None
    assert held.person(three) is not None
    after = held.begin("admin", replaces=three)
    assert held.person(three) is None
    assert held.person(after) is not None
    for nonsense in ("", "x", None):
        assert held.person(nonsense) is None
        held.end(nonsense)


def test_a_one_time_code_sets_a_password_once(
    accounts: Accounts, ledger: Ledger, clock: Clock
) -> None:
    door, held, boss = SignIn(ledger), Sessions(ledger), accounts.person("admin")
    stale = accounts.reset(boss, "viewer")
    code = accounts.reset(boss, "viewer")
    token = held.begin("viewer")
    for wrong in (stale, "", code[:-1], "setup"):
        with pytest.raises(RefusedInput):
            door.choose_password(wrong, OTHER)
    with pytest.raises(RefusedInput):
        door.choose_password(code, "viewerviewer")
    assert door.choose_password(code.upper().replace("-", " "), OTHER) == "viewer"
    assert held.person(token) is None
    assert door.prove("viewer", OTHER) == "viewer"
    with pytest.raises(RefusedInput):
        door.choose_password(code, OTHER)
    late = accounts.reset(boss, "viewer")
    clock.wait(days=1, seconds=1)
    with pytest.raises(RefusedInput):
        door.choose_password(late, OTHER)


def test_a_reset_ends_sessions_and_the_old_password_at_once(
    accounts: Accounts, ledger: Ledger
) -> None:
    door, held, boss = SignIn(ledger), Sessions(ledger), accounts.person("admin")
    accounts.add(boss, "eve", "viewer", PASSWORD)
    token = held.begin(door.prove("eve", PASSWORD))
    code = accounts.reset(boss, "eve")
    assert held.person(token) is None
    says(door, "eve", PASSWORD)
    assert door.choose_password(code, OTHER) == "eve"
    assert door.prove("eve", OTHER) == "eve"
    says(door, "eve", PASSWORD)


def test_the_first_administrator_needs_the_terminals_code(empty: Accounts, ledger: Ledger) -> None:
    door = SignIn(ledger)
    with ledger.transaction() as connection:
        code = codes.make(connection, "setup")
    with pytest.raises(RefusedInput):
        door.set_up("abcd", "omar", PASSWORD)
    assert empty.is_empty
    assert door.set_up(code, "Omar", PASSWORD) == "omar"
    with pytest.raises((RefusedInput, Forbidden)):
        door.set_up(code, "eve", PASSWORD)
    assert [item.name for item in empty.accounts()] == ["omar"]


def test_what_happened_at_the_door_is_in_the_trail(accounts: Accounts, ledger: Ledger) -> None:
    door, held = SignIn(ledger), Sessions(ledger)
    says(door, "admin", OTHER, address="203.0.113.9")
    says(door, "my password", OTHER)
    held.end(held.begin(door.prove("admin", PASSWORD)))
    with ledger.reading() as connection:
        rows = [(row["actor"], row["action"]) for row in audit.entries(connection)][-4:]
        text = " ".join(row["detail"] + row["subject"] for row in audit.entries(connection))
    assert rows == [("admin", "sign_in_failed"), ("?", "sign_in_failed"), ("admin", "signed_in"),
                    ("admin", "signed_out")]
    for secret in (PASSWORD, OTHER, "my password"):
        assert secret not in text
    assert audit.verify(ledger).ok

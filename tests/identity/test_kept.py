"""What people keep for all: who changes alerts, reports, notes and views, and what screens offer."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import Person, Role
from dashboard.metrics.question import Question
from dashboard.operations import audit, reports
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.outbox import counts, deliver
from dashboard.operations.schedules import save_schedule
from dashboard.services import Services
from loaders.errors import Forbidden, RefusedInput

KEEPS_ALERTS, MAILS = {"admin"}, {"analyst", "approver", "admin"}
ROLES = ("viewer", "analyst", "operator", "approver", "admin")
SOURCE = """
from pathlib import Path
from dashboard.identity.accounts import Accounts
from dashboard.operations.ledger import Ledger
from dashboard.screens import alerts, saved
from dashboard.services import Services
from loaders.settings import load_settings
settings = load_settings(Path({home!r}))
identify = lambda: Accounts(Ledger(settings)).person({person!r})
services = Services(settings, language="en", person=identify(), identify=identify)
saved.saved_views(services, "overview")
alerts.render(services, None)
"""


def services_of(ledger: Ledger, person: Person) -> Services:
    return Services(ledger.settings, language="en", person=person)


def report_id(ledger: Ledger, owner: str) -> int:
    return save_schedule(ledger, "Morning", "daily", "08:30", ["a@b.example"], owner=owner).id


def actions(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.reading() as connection:
        return [(row["actor"], row["action"], row["subject"]) for row in audit.entries(connection)]


def draw(ledger: Ledger, person: str) -> AppTest:
    st.cache_resource.clear()
    source = SOURCE.format(home=str(ledger.settings.home), person=person)
    test = AppTest.from_string(source, default_timeout=60).run()
    assert not test.exception, [item.value for item in test.exception]
    return test


@pytest.mark.parametrize("name", ROLES)
def test_alerts_and_reports_are_changed_by_few(name: str, accounts: Accounts, ledger: Ledger) -> None:
    people = services_of(ledger, accounts.person(name)).people
    before, count = [rule.name for rule in people.rules()], len(actions(ledger))
    acts = {
        "alert": lambda: (people.save_rule("mine", {"kind": "traffic"}), people.remove_rule(before[0])),
        "report": lambda: people.save_schedule(
            "Day", "daily", "08:30", ["a@b.example"], on_day=None, view_id=None, format_="none"
        ),
    }
    for kind, may in (("alert", name in KEEPS_ALERTS), ("report", name in MAILS)):
        if may:
            acts[kind]()
        else:
            with pytest.raises(Forbidden):
                acts[kind]()
    told = [action for actor, action, _ in actions(ledger)[count:] if actor == name]
    assert told == ["alert_changed"] * 2 * (name in KEEPS_ALERTS) + ["refused"] * (
        (name not in KEEPS_ALERTS) + (name not in MAILS)
    ) + ["report_changed"] * (name in MAILS)
    if name not in KEEPS_ALERTS:
        assert [rule.name for rule in people.rules()] == before


def test_who_loads_files_keeps_the_alerts_about_them(accounts: Accounts, ledger: Ledger) -> None:
    loader = Person("loader", Role("loader", frozenset(("see", "load"))))
    services_of(ledger, loader).people.save_rule("mine", {"kind": "traffic"})
    assert actions(ledger)[-1] == ("loader", "alert_changed", "alert mine")


@pytest.mark.parametrize("name", ROLES)
def test_what_is_others_stays_theirs(name: str, accounts: Accounts, ledger: Ledger) -> None:
    boss = accounts.person("admin")
    accounts.add(boss, "anna", "analyst")
    anna = services_of(ledger, accounts.person("anna")).people
    anna.save_view("Shared", "overview", "", is_shared=True)
    anna.save_view("Own", "overview", "", is_shared=False)
    anna.add_note(date(2026, 10, 1), "by anna", {})
    report = report_id(ledger, "anna")
    people = services_of(ledger, accounts.person(name)).people
    note = people.notes(Question(date(2026, 10, 1), date(2026, 10, 1), (), {}))[0]
    assert not people.may_remove(note)
    with pytest.raises(RefusedInput):
        people.remove_note(note.id)
    own, shared = sorted(anna.views(), key=lambda view: view.name)
    with pytest.raises(RefusedInput):
        people.remove_view(own.id)
    for remove, item in ((people.remove_view, shared), (people.remove_schedule, anna.schedules()[0])):
        assert people.may_remove(item) == (name == "admin")
        if name == "admin":
            remove(item.id)
        else:
            with pytest.raises(RefusedInput):
                remove(item.id)
    assert [item.id for item in anna.schedules()] == ([] if name == "admin" else [report])


def test_nobody_keeps_anything_once_signed_out(accounts: Accounts, ledger: Ledger) -> None:
    def over() -> Person:
        raise Forbidden("You are signed out. Sign in again.")

    people = Services(ledger.settings, person=accounts.person("admin"), identify=over).people
    for act in (
        lambda: people.save_view("x", "overview", "", is_shared=True),
        lambda: people.add_note(date(2026, 10, 1), "x", {}),
        lambda: people.remove_rule("success-rate"), lambda: people.remove_schedule(1),
    ):
        with pytest.raises(Forbidden):
            act()


@pytest.mark.parametrize("name", ROLES)
def test_a_screen_offers_what_may_be_done_and_says_why_not(
    name: str, accounts: Accounts, ledger: Ledger
) -> None:
    report_id(ledger, "admin")
    services_of(ledger, accounts.person("admin")).people.save_view("S", "overview", "", is_shared=True)
    test = draw(ledger, name)
    keys = " ".join(str(button.key) for button in test.button)
    assert ("remove-success-rate" in keys) == (name in KEEPS_ALERTS)
    assert ("report-1" in keys) == ("forget-1" in keys) == (name == "admin")
    told = " ".join(item.value for item in test.caption)
    assert ("Alerts are changed by" in told) == (name not in KEEPS_ALERTS)
    assert ("Reports are set up by" in told) == (name not in MAILS)


def test_a_click_after_the_right_is_gone_is_refused_in_a_sentence(
    accounts: Accounts, ledger: Ledger
) -> None:
    boss = accounts.person("admin")
    accounts.add(boss, "anna", "analyst")
    report_id(ledger, "anna")
    test = draw(ledger, "anna")
    accounts.set_role(boss, "anna", "viewer")
    test.button(key="report-1").click().run()
    assert not test.exception
    assert "does not have the right" in test.error[0].value


@pytest.mark.parametrize("change", ["disabled", "viewer", "local"])
def test_a_report_goes_only_while_its_owner_may_take_files_away(
    change: str, accounts: Accounts, ledger: Ledger
) -> None:
    boss = accounts.person("admin")
    accounts.add(boss, "anna", "analyst", "words of anna here")
    report_id(ledger, "local" if change == "local" else "anna")
    due = now() + timedelta(days=1)
    if change != "local":
        assert reports.plan(ledger.settings, ledger, due) == 1
        if change == "disabled":
            accounts.disable(boss, "anna")
        else:
            accounts.set_role(boss, "anna", "viewer")
        sent: list[object] = []
        deliver(ledger, lambda letter: sent.append(
            reports.report_of(ledger, letter.message["report_run"])
        ))
        assert (sent, counts(ledger)) == ([], {"waiting": 1})
    assert [reports.plan(ledger.settings, ledger, due + timedelta(days=1)) for _ in range(3)] == [0] * 3
    skipped = [item for item in actions(ledger) if item[1] == "report_skipped"]
    assert skipped == [("system", "report_skipped", "report Morning")]
    people = services_of(ledger, boss).people
    assert people.unsent(people.schedules()) == {1}
    people.remove_schedule(1)
    assert people.schedules() == []


def test_without_accounts_the_machines_own_reports_go(empty: Accounts, ledger: Ledger) -> None:
    report_id(ledger, "local")
    assert reports.plan(ledger.settings, ledger, now() + timedelta(days=1)) == 1

"""The month-end pack, the screen's work queue and `mdash items`, on the broken shop."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import get_args

import openpyxl
import pytest

from dashboard import month_end, reconciliation_commands, reconciling
from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import ROLES, Person
from dashboard.metrics import compared, reconciled
from dashboard.metrics.catalogue import Answer, metric_named
from dashboard.metrics.question import Question
from dashboard.operations import reconciliation_items
from dashboard.screens.item_filter import on_page
from dashboard.services import Services
from loaders.errors import Forbidden, RefusedInput
from loaders.settings import load_settings
from loaders.store.reader import Reader, Row
from tests.conftest import LAST_DAY, run_mdash
from tests.reconciliation.shop import FIRST_DAY, Shop

QUESTION = Question(FIRST_DAY, LAST_DAY)


@pytest.fixture
def services(broken_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr(Services, "today", lambda _: LAST_DAY + timedelta(days=1))
    home = Path(shutil.copytree(broken_home, tmp_path / "home"))
    return Services(load_settings(home), language="en", person=Person("anna", ROLES["approver"]))


def test_the_pack_holds_sums_open_items_and_what_it_was_made_of(
    services: Services, broken: Shop
) -> None:
    content = month_end.made(services, QUESTION, "xlsx")
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    sheets = {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}
    sums = sheets["From ours to the bill"]
    assert {row[-1] for row in sums[1:]} == {0}
    assert len(sheets["Open items"]) - 1 == len(reconciling.open_items(services, QUESTION))
    signatures = {row[-1] for row in sheets["Loads used"][1:]}
    used = {
        sha256(content).hexdigest() for name, content in broken.files.items()
        if FIRST_DAY.isoformat() <= name.split(".")[0][-10:] <= LAST_DAY.isoformat()
    }
    assert signatures == used


@pytest.mark.slow
def test_the_pack_is_a_pdf_too(services: Services, tmp_path: Path) -> None:
    month_end.save_pack(services, QUESTION, tmp_path / "pack.pdf")
    assert (tmp_path / "pack.pdf").read_bytes().startswith(b"%PDF")


def test_who_may_not_export_takes_no_pack(services: Services) -> None:
    services.person = Person("vera", ROLES["viewer"])
    with pytest.raises(Forbidden):
        month_end.made(services, QUESTION, "xlsx")


def test_an_item_is_explained_and_shown_so(services: Services) -> None:
    items = reconciling.open_items(services, QUESTION)
    assert {item["state"] for item in items} == {"open"}
    urgent = {(item["day"], item["age"], item["sla"]) for item in items if item["class"] == "short"}
    middle = LAST_DAY - timedelta(days=3)
    assert urgent == {(LAST_DAY, 1, "sla_due"), (middle, 4, "sla_overdue")}
    chosen = next(item for item in items if item["class"] == "short")
    reconciling.act(services, "assign", chosen, "ben")
    reconciling.act(services, "explain", chosen, "The buyer paid in cash.")
    again = {item["item"]: item for item in reconciling.open_items(services, QUESTION)}
    shown = again[chosen["item"]]
    assert (shown["state"], shown["owner"], shown["note"]) == (
        "explained", "ben", "The buyer paid in cash."
    )
    with pytest.raises(RefusedInput):
        reconciling.item(services, "0" * 16)


def test_an_item_that_a_load_changed_since_it_was_shown_is_left_alone(services: Services) -> None:
    shown = next(
        item for item in reconciling.open_items(services, QUESTION) if item["class"] == "amount_mismatch"
    )
    for stale in ({"amount_fen": shown["amount_fen"] - 1}, {"class": "long"}, {"item": "0" * 16}):
        with pytest.raises(RefusedInput):
            reconciling.act_as_shown(services, "propose", shown | stale, "Old.")
    assert reconciling.item(services, shown["item"])["state"] == "open"
    assert reconciling.act_as_shown(services, "propose", shown, "Old.").state == "write_off_proposed"


def test_a_proposal_made_since_the_item_was_shown_stands(services: Services) -> None:
    shown = next(
        item for item in reconciling.open_items(services, QUESTION) if item["class"] == "amount_mismatch"
    )
    reconciling.act(services, "propose", shown, "Old.")
    with pytest.raises(RefusedInput):
        reconciling.act_as_shown(services, "explain", shown, "The buyer paid in cash.")
    found = reconciling.item(services, shown["item"])
    assert (found["state"], found["note"]) == ("write_off_proposed", "Old.")


def test_only_the_proposal_that_was_shown_is_approved(services: Services) -> None:
    accounts = Accounts(services.people.ledger)
    accounts.add(None, "root", "admin", "correct horse battery")
    root = accounts.person("root")
    for name in ("anna", "ben"):
        accounts.add(root, name, "approver")
    number = reconciling.open_items(services, QUESTION)[0]["item"]
    reconciling.act(services, "propose", reconciling.item(services, number), "Old.")
    shown = reconciling.item(services, number)
    reconciling.act(services, "propose", shown, "Something else.")
    services.person = accounts.person("ben")
    with pytest.raises(RefusedInput):
        reconciling.act_as_shown(services, "approve", shown)
    again = reconciling.item(services, number)
    assert reconciling.act_as_shown(services, "approve", again).state == "written_off"


@pytest.mark.slow
def test_items_are_listed_and_worked_on_in_a_terminal(broken_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(broken_home, tmp_path / "home"))
    period = ("--from", FIRST_DAY.isoformat(), "--to", LAST_DAY.isoformat())
    listed = run_mdash(home, "items", "list", *period, "--json").json()["items"]
    number = next(item["item"] for item in listed if item["class"] == "duplicate")
    propose = ("items", "do", "propose", number, "--words", "Given back.")
    assert run_mdash(home, *propose).code == 4
    (tmp_path / "password").write_text("correct horse battery\n", "utf-8")
    typed = ("--role", "admin", "--password-file", str(tmp_path / "password"))
    assert run_mdash(home, "user", "add", "anna", *typed).code == 0
    assert run_mdash(home, *propose, "--as", "anna").code == 0
    for more in ((), ("--as", "anna"), ("--as", "ANNA"), ("--as", "nobody")):
        assert run_mdash(home, "items", "do", "approve", number, *more).code == 4
    listed = run_mdash(home, "items", "list", *period, "--json").json()["items"]
    assert next(i["state"] for i in listed if i["item"] == number) == "write_off_proposed"
    few = run_mdash(home, "items", "list", *period, "--class", "short", "--limit", "1", "--json").json()
    shorts = [item for item in listed if item["class"] == "short"]
    assert (few["items"], few["found"]) == (shorts[:1], len(shorts))
    ran = run_mdash(home, "items", "list", *period, "--state", "write_off_proposed", "--json")
    assert [item["item"] for item in ran.json()["items"]] == [number]


def test_the_commands_name_the_classes_that_ask_for_something() -> None:
    assert tuple(reconciled.CLASSES[3:]) == reconciliation_commands.CLASSES
    assert get_args(reconciliation_items.State) == reconciliation_commands.STATES


def test_an_item_grows_older_while_nothing_is_loaded(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Services, "today", lambda _: LAST_DAY + timedelta(days=40))
    ages = [LAST_DAY - row["day"] for row in reconciling.open_items(services, QUESTION)]
    assert [row["age"] for row in reconciling.open_items(services, QUESTION)] == [
        40 + age.days for age in ages
    ]


def test_thousands_of_items_are_drawn_by_the_page() -> None:
    rows: list[Row] = [{"item": str(at)} for at in range(2_401)]
    assert [len(on_page(rows, page)) for page in (1, 2, 13)] == [200, 200, 1]
    assert [row for page in range(1, 14) for row in on_page(rows, page)] == rows


def test_what_all_channels_come_to_stands_below_them() -> None:
    fields = ("bill", "ours_fen", "gap_fen")
    metric = replace(metric_named("reconciliation_identity"), fields=fields)
    rows: list[Row] = [
        {"channel": channel, "bill": bill, "ours_fen": fen, "gap_fen": 0}
        for channel, bill, fen in (
            ("alipay", "account_bill", 7), ("alipay", "trade_bill", 1), ("wechatpay", "trade_bill", 2),
        )
    ]
    answer = Answer(metric, QUESTION.split("channel"), None, rows, [])
    sheet = month_end.sheet_of(answer, str)
    assert [(row["channel"], row["bill"], row["ours_fen"]) for row in sheet.rows] == [
        ("alipay", "trade_bill", 1), ("wechatpay", "trade_bill", 2), ("Total", "trade_bill", 3),
        ("alipay", "account_bill", 7), ("Total", "account_bill", 7),
    ]


def test_the_whole_pack_compares_the_period_once(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    hold = Reader.hold

    def counted(reader: Reader, statements: Sequence[str]) -> None:
        made.extend(statements)
        hold(reader, statements)

    monkeypatch.setattr(Reader, "hold", counted)
    for suffix in ("xlsx", "xlsx"):
        month_end.made(services, QUESTION, suffix)
    assert len(made) == 1


def test_comparisons_of_many_periods_are_not_all_kept(services: Services) -> None:
    periods = [Question(FIRST_DAY, FIRST_DAY + timedelta(days=at % 7)) for at in range(14)]
    periods += [Question(FIRST_DAY + timedelta(days=at), LAST_DAY) for at in range(8)]
    counts = [len(reconciling.open_items(services, period)) for period in periods]
    assert counts[:7] == counts[7:14] == sorted(counts[:7])
    kept = "select count(*) as n from duckdb_tables() where table_name like 'compared_%'"
    assert services.reader.one(kept)["n"] <= compared.HELD_AT_ONCE

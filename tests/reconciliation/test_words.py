"""What people are told: advice for every class, and why a bill of settlements to a card is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

from dashboard.metrics.compared import SETTLED, WAITING
from dashboard.metrics.reconciled import CLASSES, sla
from dashboard.reconciling import ADVICE
from loaders.settings import Reconciling
from tests.conftest import Mdash


def test_every_class_that_is_worked_on_has_advice() -> None:
    assert set(ADVICE) == set(CLASSES) - {*SETTLED, WAITING}


def test_an_item_is_due_after_a_day_and_overdue_after_three() -> None:
    found = [sla(age, Reconciling()) for age in range(5)]
    assert found == ["sla_waiting", "sla_due", "sla_due", "sla_overdue", "sla_overdue"]


def test_a_bill_of_settlements_to_a_card_is_refused_with_what_to_do(
    mdash: Mdash, tmp_path: Path
) -> None:
    path = tmp_path / "2088000000000011_20261101.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("2088000000000011_20261101_批次结算到卡明细.csv", "批次号,金额\r\n1,2.00\r\n")
        archive.writestr("2088000000000011_20261101_批次结算到卡汇总.csv", "批次号,金额\r\n1,2.00\r\n")
    ran = mdash("load", str(path), "--json")
    assert ran.code == 4
    [file] = ran.json()["files"]
    assert file["status"] == "refused"
    assert "settlementMerge" in file["message"]
    assert "账务明细" in file["message"]

"""Settlement, Reconciliation and Channels on a shop whose books are broken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sample_data.wechat_files import trade_bill
from tests.conftest import LAST_DAY, Mdash, run_mdash
from tests.reconciliation.test_hand_made import taken
from tests.screens.test_screens import _home_variable, draw, words  # noqa: F401
from tests.store.test_bills import load


@pytest.mark.parametrize("language", ["zh", pytest.param("en", marks=pytest.mark.slow)])
@pytest.mark.parametrize("screen", ["settlement", "reconciliation", "channels"])
def test_a_broken_shop_in_both_languages(
    broken_home: Path, screen: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(broken_home, screen, monkeypatch, lang=language)
    shown = words(test)
    if screen == "reconciliation":
        assert ("分文不差。" if language == "zh" else "The sum comes out to the fen.") in shown
        assert ("待处理 **14** 笔" if language == "zh" else "**14** items are open") in shown
    assert len(test.title) == 1


def test_the_cards_are_the_metrics_numbers(
    broken_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = ("--from", (LAST_DAY - timedelta(days=29)).isoformat(), "--to", LAST_DAY.isoformat())
    [row] = run_mdash(broken_home, "metric", "waterfall", *period, "--format", "json").json()["rows"]
    test = draw(broken_home, "settlement", monkeypatch, lang="en")
    shown = {card.label: card.value for card in test.metric}
    assert shown["Fees"] == f"¥{row['fee_fen'] / 100:,.2f}"
    assert shown["Net"] == f"¥{row['net_fen'] / 100:,.2f}"


def test_without_an_account_bill_nothing_is_said_to_have_arrived(
    mdash: Mdash, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(mdash, tmp_path / "trade.csv", trade_bill([taken(1), taken(2)]))
    shown = words(draw(home, "settlement", monkeypatch, lang="zh"))
    assert "应到账的都已到账" not in shown
    assert "从未导入 账务明细" in shown
    assert "account_bill" not in shown

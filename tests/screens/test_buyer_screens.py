"""The buyers' screens say what the commands say, and lead from one to the other."""

from __future__ import annotations

import pytest

from loaders.privacy import pseudonym, pseudonym_key
from tests.conftest import Sample
from tests.screens.test_screens import _home_variable, draw, words  # noqa: F401

LATEST = ("--from", "2026-10-02", "--to", "2026-10-31")


def test_an_audience_begins_with_the_segment_of_the_link(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(sample.home, "audiences", monkeypatch, lang="en", segment="loyal")
    shown = {card.label: card.value for card in test.metric}
    found = sample.mdash("audience", *LATEST, "--segment", "loyal", "--json").json()
    assert shown["In the audience"] == f"{found['size']:,}"
    assert shown["Their net so far"] == f"¥{found['net_fen'] / 100:,.2f}"
    assert shown["Fit, but did not agree"] == str(found["refused"])


def test_a_buyers_page_by_address_by_own_id_and_for_nobody(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = pseudonym(pseudonym_key(sample.home), "shop", "u-3")
    found = sample.mdash("buyer", name, "--json").json()
    test = draw(sample.home, "buyer", monkeypatch, lang="en", buyer=name)
    shown = {card.label: card.value for card in test.metric}
    assert shown["Net so far"] == f"¥{found['net_fen'] / 100:,.2f}"
    assert shown["Purchases"] == str(found["purchases"])
    assert f"Buyer {name}" in words(test)
    test.text_input[0].set_value("u-3").run()
    assert not test.exception
    assert name in test.query_params["buyer"]
    assert "u-3" not in str(dict(test.query_params))
    test.text_input[0].set_value("nobody").run()
    assert "There is no buyer with this id." in words(test)


def test_the_triangle_in_all_its_readings(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(sample.home, "retention", monkeypatch, lang="en")
    for mode in ("retention_rolling", "retention_days", "retention_days_rolling"):
        modes = next(group for group in test.button_group if group.label == "Came back")
        modes.set_value(mode).run()
        assert not test.exception, mode
        shown = next(group for group in test.button_group if group.label == "Shown")
        shown.set_value("net_fen").run()
        assert not test.exception, mode


def test_a_campaigns_plan_is_the_commands(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = draw(sample.home, "campaigns", monkeypatch, lang="en")
    rows = sample.mdash("plan", *LATEST, "--json").json()["rows"]
    tables = [frame.value for frame in test.dataframe]
    plan = next(table for table in tables if "Orders needed" in table.columns)
    assert list(plan["Orders needed"]) == [row["needed"] for row in rows]
    assert list(plan["Days it takes"]) == [row["needed_days"] for row in rows]

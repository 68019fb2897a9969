"""What holds for every channel: its parts, and its golden samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sample_data
from dashboard.metrics.outcomes import CLASSES
from loaders.channels import CHANNELS, retry_ladders
from loaders.channels.protocol import Channel
from tests.conftest import Mdash

SAMPLES = Path(sample_data.__file__).parent
GOLDEN = sorted(SAMPLES.glob("*/*.golden.json"))
SOURCES = {"customer", "merchant", "channel", "bank", "risk", "unknown"}
STAGES = {"create", "submit", "pay", "confirm", "notify"}


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.name)
def test_a_channel_has_its_parts(channel: Channel) -> None:
    assert channel.title
    assert channel.app_setting
    assert channel.account_setting
    assert channel.bills is not None
    for kind, fields in channel.bills.FIELDS.items():
        names = [item.name for item in fields]
        assert len(names) == len(set(names)), kind
        assert {"order_no", "type", "finished_at"} <= set(names)
    ladder = retry_ladders().get(channel.name, ())
    assert bool(ladder) is (channel.notifications is not None)
    assert list(ladder) == sorted(ladder)


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.name)
@pytest.mark.parametrize("reached", [True, False])
@pytest.mark.parametrize("code", [None, "", "10000", "20000", "40004", "nonsense"])
def test_every_answer_has_a_meaning(channel: Channel, reached: bool, code: str | None) -> None:
    assert channel.codes is not None
    for sub_code in (None, "ACQ.SYSTEM_ERROR", "ACQ.NEVER_HEARD_OF", "💥"):
        outcome = channel.codes.answer("x.trade.pay", reached, code, sub_code)
        if outcome.reason is None:
            assert outcome.source is None
        else:
            assert outcome.reason in CLASSES
            assert outcome.source in SOURCES
            assert outcome.stage in STAGES


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem.removesuffix(".golden"))
def test_a_sample_reads_as_its_golden_file_says(
    golden: Path, mdash: Mdash, request: pytest.FixtureRequest
) -> None:
    sample = golden.with_name(golden.name.removesuffix(".golden.json"))
    report = mdash("load", str(sample), "--json").json()["files"][0]
    view = "account_lines" if report["kind"] == "account_bill" else "settlement_lines"
    read: dict[str, Any] = {
        "kind": report["kind"], "covers": report["covers"], "rows": report["rows"],
        "lines": mdash("sql", f"select * exclude (load_id) from {view} order by line",
                       "--format", "json").json()["rows"],
    }
    if request.config.getoption("--update-golden"):
        golden.write_text(json.dumps(read, ensure_ascii=False, indent=1) + "\n", "utf-8")
    assert read == json.loads(golden.read_text("utf-8"))


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_samples_stand_at_the_edges(channel: str) -> None:
    text = "".join(path.read_text("utf-8") for path in GOLDEN if path.parent.name == channel)
    assert "T00:30:" in text
    assert "T23:50:" in text
    assert '"kind": "refund"' in text
    assert '"service_fen": 0' in text

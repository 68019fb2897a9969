"""From mdash.toml to an answer: a shop asks its channel, and its calls become metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from loaders import remote
from loaders.channels.alipay import trade
from loaders.errors import ConfigurationError, RefusedInput
from loaders.meters import Meters
from loaders.records import refund_outcome, trade_outcome
from loaders.settings import Settings, load_settings
from tests.channels.alipay_desk import Desk, make_desk
from tests.channels.test_alipay_credentials import PUBLIC, private
from tests.channels.test_alipay_trade import PAID, QUERY, REFUND, REFUNDED
from tests.conftest import Mdash, run_mdash
from tests.transport.gate import Gate, resets, says

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def desk() -> Desk:
    return make_desk()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate(resets)
    yield gate
    gate.close()


@pytest.fixture
def settings(home: Path, desk: Desk, gate: Gate) -> Settings:
    (home / "keys" / "app.pem").write_bytes(private(desk.keys.private_key, "TraditionalOpenSSL"))
    (home / "keys" / "alipay_public_key.pem").write_bytes(
        desk.keys.public_key.public_bytes(*PUBLIC))
    with (home / "mdash.toml").open("a", encoding="utf-8") as file:
        file.write(f'app_private_key_file = "keys/app.pem"\ngateway_url = "{gate.url}"\n'
                   "timeout_s = 2\n")
    return load_settings(home)


def test_a_question_end_to_end(settings: Settings, desk: Desk, gate: Gate) -> None:
    gate.behave = says(desk.answer(QUERY, **PAID).body)
    answer = remote.ask(settings, "alipay", "query", order_no="M1", amount_fen=8888)
    assert trade_outcome(answer) == "paid"
    (body,) = gate.bodies
    assert b"app_id=" in body
    assert b"sign=" in body


def test_calls_are_counted_by_method_and_outcome(settings: Settings, desk: Desk, gate: Gate) -> None:
    meters = Meters()
    with remote.Remote(settings) as line:
        meters.calls(line.counts)
        gate.behave = says(desk.answer(QUERY, **PAID).body)
        for _ in range(2):
            line.ask("alipay", "query", order_no="M1")
        gate.behave = says(desk.answer(REFUND, code="20000", sub_code="isp.unknow-error").body)
        line.ask("alipay", "refund", intent=lambda _: None, order_no="M1", refund_no="R1",
                 amount_fen=1)
        told = meters.text().decode()
    for method, outcome, count in ((QUERY, "accepted", 2), (REFUND, "unknown", 1)):
        labels = f'channel="alipay",method="{method}",outcome="{outcome}"'
        assert f"mdash_channel_calls_total{{{labels}}} {float(count)}" in told


def test_the_lines_of_a_home_are_shared_and_told(
    settings: Settings, desk: Desk, gate: Gate
) -> None:
    gate.behave = says(desk.answer(REFUND, **REFUNDED).body)
    written: list[str] = []
    shared = remote.shared(settings)
    assert remote.shared(settings) is shared
    try:
        answer = shared.ask("alipay", "refund", refund_no="R1", order_no="M1", amount_fen=1000,
                            intent=lambda message: written.append(message.noted["out_request_no"]))
        assert refund_outcome(answer) == "done"
        assert written == ["R1"]
        assert shared.states()["alipay"].state == "closed"
    finally:
        shared.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("timeout_s = 0", "timeout_s"),
        ("timeout_s = 'soon'", "timeout_s"),
        ("gateway_url = 'ftp://x'", "https://"),
        ("app_private_key_file = 'keys/none.pem'", "cannot be read"),
    ],
)
def test_wrong_settings_are_explained(settings: Settings, line: str, told: str) -> None:
    path = settings.home / "mdash.toml"
    name = line.split(" ")[0]
    kept = [item for item in path.read_text("utf-8").splitlines() if not item.startswith(name)]
    path.write_text("\n".join([*kept, line]), "utf-8")
    with pytest.raises(ConfigurationError, match=told):
        remote.ask(load_settings(settings.home), "alipay", "query", order_no="M1")


def test_what_cannot_be_asked_is_refused_before_it_is_sent(settings: Settings, gate: Gate) -> None:
    with pytest.raises(ConfigurationError, match="does not offer"):
        remote.ask(settings, "alipay", "burn")
    with pytest.raises(ConfigurationError, match="cannot be asked"):
        remote.ask(settings, "cash", "query", order_no="M1")
    with pytest.raises(RefusedInput, match="Name the order"):
        remote.ask(settings, "alipay", "query")
    assert gate.bodies == []


def test_the_log_of_calls_loads_as_it_is(
    settings: Settings, desk: Desk, gate: Gate, mdash: Mdash
) -> None:
    replies: dict[str, tuple[str, dict[str, Any]]] = {
        "query": (QUERY, PAID),
        "close": (trade.CLOSE, {"code": "40004", "sub_code": "ACQ.TRADE_STATUS_ERROR",
                                "out_trade_no": "M1"}),
    }
    with remote.Remote(settings) as lines:
        for name, (method, fields) in replies.items():
            gate.behave = says(desk.answer(method, **fields).body)
            lines.ask("alipay", name, order_no="M1")
        forged = make_desk().answer(QUERY, **(PAID | {"out_trade_no": "M2"}))
        gate.behave = says(forged.body)
        assert trade_outcome(lines.ask("alipay", "query", order_no="M2")) == "unknown"
        gate.behave = says(b"<html>")
        lines.ask("alipay", "balance")
    logs = sorted(path.name for path in (settings.home / "logs").iterdir())
    assert [name.split("-20")[0] for name in logs] == ["calls", "other-calls"]
    report = mdash("load", str(settings.home / "logs" / logs[0]), "--json")
    assert report.code == 0, report.err
    (file,) = report.json()["files"]
    assert (file["kind"], file["rejected"]) == ("checkout_log", 0)
    events = mdash("sql", "select order_no, method, code, sub_code from checkout_events"
                   " order by order_no, method", "--format", "json").json()["rows"]
    assert {(row["order_no"], row["method"], row["code"], row["sub_code"]) for row in events} == {
        ("M1", trade.CLOSE, "40004", "ACQ.TRADE_STATUS_ERROR"),
        ("M1", QUERY, "10000", None),
        ("M2", QUERY, None, None),
    }
    trades = mdash("sql", "select order_no, outcome from trades", "--format", "json").json()["rows"]
    assert {row["order_no"]: row["outcome"] for row in trades}.get("M2") != "paid"


def test_the_stamp_comes_from_the_clock_given(settings: Settings, desk: Desk, gate: Gate) -> None:
    from urllib.parse import parse_qs

    gate.behave = says(desk.answer(QUERY, **PAID).body)
    with remote.Remote(settings, clock=lambda: datetime(2026, 11, 1, 16, 30)) as lines:
        lines.ask("alipay", "query", order_no="M1")
    assert parse_qs(gate.bodies[0].decode())["timestamp"] == ["2026-11-02 00:30:00"]


def test_environment_variables_give_the_settings_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, desk: Desk, gate: Gate
) -> None:
    monkeypatch.setenv("MDASH_CHANNELS__ALIPAY__TIMEOUT_S", "1.5")
    gate.behave = says(desk.answer(QUERY, **PAID).body)
    answer = remote.ask(load_settings(settings.home), "alipay", "query", order_no="M1")
    assert json.dumps(dict(answer.noted))
    assert trade_outcome(answer) == "paid"
    assert run_mdash(settings.home, "check").code in (0, 2)

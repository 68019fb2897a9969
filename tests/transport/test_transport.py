"""A channel that is slow, breaks off, lies or is away: what is known of a call, and what is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loaders.breaker import Breaker
from loaders.call_log import CallLog
from loaders.channels.alipay import trade
from loaders.channels.protocol import Message
from loaders.errors import ConfigurationError, NoAnswer, RefusedInput
from loaders.records import Answer, refund_outcome, trade_outcome
from loaders.transport import Policy, Transport, secure
from tests.channels.alipay_desk import STAMP, Desk, make_desk
from tests.channels.test_alipay_trade import M1, PAID, QUERY, REFUND, REFUNDED, TEN
from tests.transport.gate import Behave, Gate, drips, in_turn, resets, says, sleeps, truncates

pytestmark = pytest.mark.slow

PAGE = b"<html><h1>502 Bad Gateway</h1></html>"
Wire = Callable[..., Transport]


@pytest.fixture(scope="module")
def base_desk() -> Desk:
    return make_desk()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate(says(PAGE, status=502))
    yield gate
    gate.close()


@pytest.fixture
def desk(base_desk: Desk, gate: Gate) -> Desk:
    return base_desk.having(gateway_url=gate.url)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made: list[Transport] = []

    def make(timeout_s: float = 2.0, breaker: Breaker | None = None, **policy: Any) -> Transport:
        made.append(Transport("alipay", CallLog(tmp_path / "logs"), Policy(timeout_s, **policy),
                              breaker, sleep=lambda _: None))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def lines(folder: Path, name: str = "calls-*.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob(f"logs/{name}"))
            for line in path.read_text("ascii").splitlines()]


def ask_query(transport: Transport, desk: Desk) -> Answer[Any]:
    message = trade.ask_query(M1, desk.keys, STAMP)
    return transport.send(message, lambda reply: trade.read_query(reply, M1, desk.keys))


def ask_refund(
    transport: Transport, desk: Desk, intent: Callable[[Message], None] | None = lambda _: None
) -> Answer[Any]:
    message = trade.ask_refund(TEN, desk.keys, STAMP)
    return transport.send(message, lambda reply: trade.read_refund(reply, TEN, desk.keys), intent)


def test_a_good_answer_arrives_and_is_written_down(
    desk: Desk, gate: Gate, wire: Wire, tmp_path: Path
) -> None:
    desk = desk.having(app_auth_token="201510BBsecret")
    gate.behave = says(desk.answer(QUERY, **PAID).body)
    answer = ask_query(wire(), desk)
    assert trade_outcome(answer) == "paid"
    (line,) = lines(tmp_path)
    assert line["method"] == QUERY
    assert line["request"] == {"out_trade_no": "M1"}
    assert line["response"]["trade_status"] == "TRADE_SUCCESS"
    assert (line["outcome"], line["try"], line["reached_channel"]) == ("accepted", 1, True)
    assert 0 <= line["elapsed_ms"] < 2000
    text = json.dumps(line)
    for secret in ("201510BB", "sign", "zhang", "2088102122524333"):
        assert secret not in text
    (path,) = tmp_path.glob("logs/*")
    assert path.stat().st_mode & 0o077 == 0


def broken(desk: Desk, gate: Gate) -> dict[str, Behave]:
    good = desk.answer(REFUND, **REFUNDED).body
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n" + good * 8
    return {
        "silent": sleeps(5, lambda: gate),
        "dripping": drips(whole, 0.1, lambda: gate),
        "reset": resets,
        "truncated": truncates(good),
        "502": says(PAGE, status=502),
        "wrong content": says(b'{"ok":true}'),
        "another call's answer": says(desk.answer(QUERY, **PAID).body),
        "a redirect": says(b"", status=302, location="https://example.com/"),
        "too large": says(b"x" * (17 * 2**20)),
    }


@pytest.mark.parametrize("name", ["silent", "dripping", "reset", "truncated", "502",
                                  "wrong content", "another call's answer", "a redirect",
                                  "too large"])
def test_a_refund_without_a_proper_answer_is_unknown_and_sent_once(
    desk: Desk, gate: Gate, wire: Wire, tmp_path: Path, name: str
) -> None:
    gate.behave = broken(desk, gate)[name]
    began: list[int] = []
    answer = ask_refund(wire(timeout_s=0.5), desk, lambda _: began.append(len(gate.bodies)))
    assert refund_outcome(answer) == "unknown"
    assert answer.was_sent
    assert answer.why is not None
    assert len(gate.bodies) == 1
    assert began == [0], "the intent is written before anything is sent, and once"
    (line,) = lines(tmp_path)
    assert (line["outcome"], line["response"]) == ("unknown", {})
    assert line["elapsed_ms"] < 1000, "a call ends in time, however slowly the answer drips"


def test_money_never_moves_without_its_intent(desk: Desk, gate: Gate, wire: Wire) -> None:
    with pytest.raises(ValueError, match="intent"):
        ask_refund(wire(), desk, None)

    def fails(_: Message) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ask_refund(wire(), desk, fails)
    assert gate.bodies == []


def test_a_question_is_repeated_until_answered_and_no_longer(
    desk: Desk, gate: Gate, wire: Wire, tmp_path: Path
) -> None:
    busy = says(desk.answer(QUERY, code="20000", sub_code="isp.unknow-error").body)
    gate.behave = in_turn(resets, busy, says(desk.answer(QUERY, **PAID).body))
    assert trade_outcome(ask_query(wire(), desk)) == "paid"
    assert [line["try"] for line in lines(tmp_path)] == [1, 2, 3]
    assert [line["said"]["code"] for line in lines(tmp_path)] == [None, "20000", "10000"]
    gate.bodies.clear()
    gate.behave = busy
    assert trade_outcome(ask_query(wire(), desk)) == "unknown"
    assert len(gate.bodies) == 3
    gate.bodies.clear()
    gate.behave = says(desk.answer(QUERY, code="40006",
                                   sub_code="isv.insufficient-isv-permissions").body)
    assert ask_query(wire(), desk).is_known
    assert len(gate.bodies) == 1


def test_what_was_never_sent_is_known_to_be(base_desk: Desk, wire: Wire, tmp_path: Path) -> None:
    closed = Gate(resets)
    closed.close()
    desk = base_desk.having(gateway_url=closed.url)
    answer = ask_refund(wire(), desk)
    assert refund_outcome(answer) == "unknown"
    assert not answer.was_sent
    assert isinstance(answer.why, NoAnswer)
    assert {line["reached_channel"] for line in lines(tmp_path)} == {False}


def test_the_breaker_opens_lets_one_try_and_closes(desk: Desk, gate: Gate, wire: Wire) -> None:
    now = [0.0]
    transport = wire(breaker=Breaker(threshold=4, pause_s=30, clock=lambda: now[0]), tries=1)
    for _ in range(4):
        ask_query(transport, desk)
    assert transport.state.state == "open"
    paused = ask_query(transport, desk)
    assert not paused.was_sent
    assert "30 seconds" in str(paused.why)
    assert len(gate.bodies) == 4
    now[0] = 31.0
    assert transport.state.state == "half_open"
    ask_query(transport, desk)
    assert transport.state.state == "open"
    now[0] = 62.0
    gate.behave = says(desk.answer(QUERY, **PAID).body)
    assert trade_outcome(ask_query(transport, desk)) == "paid"
    assert (transport.state.state, transport.state.failures) == ("closed", 0)


def test_a_refused_call_is_no_failure_of_the_channel(desk: Desk, gate: Gate, wire: Wire) -> None:
    gate.behave = says(desk.answer(REFUND, code="40004", sub_code="ACQ.TRADE_HAS_FINISHED").body)
    transport = wire(breaker=Breaker(threshold=2))
    for _ in range(4):
        assert refund_outcome(ask_refund(transport, desk)) == "refused"
    assert transport.state.state == "closed"


def test_half_open_admits_a_single_probe() -> None:
    now = [0.0]
    breaker = Breaker(threshold=1, pause_s=1, clock=lambda: now[0])
    assert breaker.admits()
    breaker.record(is_success=False)
    now[0] = 2.0
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.record(is_success=True)
    assert breaker.admits()


def test_connections_are_kept_and_shared_by_threads(desk: Desk, gate: Gate, wire: Wire) -> None:
    gate.behave = says(desk.answer(QUERY, **PAID).body)
    transport, outcomes = wire(), list[str]()
    for _ in range(5):
        outcomes.append(trade_outcome(ask_query(transport, desk)))
    assert gate.connections == 1

    def many() -> None:
        outcomes.extend(trade_outcome(ask_query(transport, desk)) for _ in range(5))

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["paid"] * 45
    assert gate.connections <= 9


def test_proxies_of_the_environment_are_not_used(
    desk: Desk, gate: Gate, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    gate.behave = says(desk.answer(QUERY, **PAID).body)
    assert trade_outcome(ask_query(wire(), desk)) == "paid"
    assert not ask_query(wire(proxy="http://127.0.0.1:9"), desk).was_sent


def test_only_https_or_this_machine_is_asked(desk: Desk, wire: Wire) -> None:
    far = desk.having(gateway_url="http://openapi.alipay.com/gateway.do")
    with pytest.raises(ConfigurationError, match="https"):
        ask_query(wire(), far)
    assert secure("http://dwbillcenter.alipay.com/a?b=c") == "https://dwbillcenter.alipay.com/a?b=c"
    assert secure("http://127.0.0.1:1/a") == "http://127.0.0.1:1/a"


def test_an_unknown_certificate_is_not_trusted(wire: Wire, base_desk: Desk, tmp_path: Path) -> None:
    import ssl
    from datetime import timedelta

    from tests.channels.test_alipay_credentials import NOW, certificate, private

    key = base_desk.channel_key
    (tmp_path / "key.pem").write_bytes(
        private(key) + certificate(key.public_key(), key, NOW + timedelta(days=999)))
    gate = Gate(says(PAGE))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "key.pem")
    gate.wrap(context)
    try:
        answer = ask_refund(wire(), base_desk.having(gateway_url=gate.url))
        assert not answer.was_sent
        assert gate.bodies == []
    finally:
        gate.close()


def test_a_full_disk_loses_the_line_and_not_the_answer(
    desk: Desk, gate: Gate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate.behave = says(desk.answer(QUERY, **PAID).body)
    (tmp_path / "logs").write_text("in the way")
    log = CallLog(tmp_path / "logs")
    with Transport("alipay", log) as transport:
        assert trade_outcome(ask_query(transport, desk)) == "paid"
    assert log.lost == 1
    assert "call log" in caplog.text


def test_files_are_fetched_piece_by_piece_within_bounds(gate: Gate, wire: Wire) -> None:
    gate.behave = says(b"PK" + bytes(200_000))
    got = bytearray()
    reply = wire().fetch(gate.url, got.extend, max_bytes=2**20)
    assert (reply.status, len(got)) == (200, 200_002)
    with pytest.raises(RefusedInput, match="larger"):
        wire().fetch(gate.url, got.extend, max_bytes=1000)
    gate.behave = truncates(bytes(5000))
    with pytest.raises(NoAnswer):
        wire().fetch(gate.url, got.extend, max_bytes=2**20)
    gate.behave = drips(b"HTTP/1.1 200 OK\r\n" * 40, 0.05, lambda: gate)
    with pytest.raises(NoAnswer):
        wire().fetch(gate.url, got.extend, max_bytes=2**20, timeout_s=0.3)

"""What the receiver answers, keeps and refuses, over a real socket."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from loaders.durable_log import log_files, log_folder, refused_folder
from loaders.logs import JsonFormatter
from loaders.receiver import MAX_BODY_BYTES, MOST_DELIVERIES, KnownMessages
from loaders.senders import MAX_SENDERS, REFUSALS_PER_SENDER, BadSenders, masked
from tests.conftest import make_home, run_mdash
from tests.receiver.conftest import Client, lines, receiving
from tests.receiver.messages import posted

pytestmark = pytest.mark.slow

ADDRESS = "47.88.1.2"


def test_a_genuine_message_is_on_disk_and_answered_success(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    body = posted(channel_key, "M1")
    told = receiver.post(body, user_agent="Mozilla/4.0", cookie="secret=1")
    assert (told.status, told.body) == (200, b"success")
    assert told.headers["x-request-id"]
    (line,) = lines(home)
    assert set(line) == {"received_at", "channel", "headers", "body"}
    assert (line["channel"], line["headers"], line["body"]) == ("alipay", {}, body)
    assert line["received_at"].endswith("+08:00")
    (file,) = log_files(log_folder(home))
    assert file.stat().st_mode & 0o077 == 0
    assert receiver.count("accepted") == 1


def test_every_delivery_is_kept_and_a_second_one_is_answered_success(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    again = posted(channel_key, "M1", notify_time="2026-11-20 10:04:06")
    assert [receiver.post(posted(channel_key, "M1")).body, receiver.post(again).body] == [
        b"success", b"success",
    ]
    assert len(lines(home)) == 2
    assert (receiver.count("accepted"), receiver.count("duplicate")) == (1, 1)


def test_a_replay_without_end_does_not_fill_the_disk(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    body = posted(channel_key, "M1")
    answers = {receiver.post(body).body for _ in range(MOST_DELIVERIES + 5)}
    assert answers == {b"success"}
    assert len(lines(home)) == MOST_DELIVERIES


def test_an_altered_message_is_answered_so_that_a_true_one_comes_again(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    genuine = posted(channel_key, "M1")
    told = receiver.post(genuine.replace("88.88", "0.01"), x_forwarded_for=ADDRESS)
    assert (told.status, told.body) == (400, b"fail")
    assert lines(home) == []
    (file,) = log_files(refused_folder(home))
    (noted,) = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert noted["body"] == ""
    assert (noted["network"], noted["length"]) == ("47.88.1.0/24", len(genuine) - 1)
    assert "M1" not in file.read_text("utf-8")
    assert receiver.post(genuine, x_forwarded_for=ADDRESS).body == b"success"


def test_a_field_hidden_in_another_is_not_genuine(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    genuine = posted(channel_key, "M1", subject="A&B=1")
    assert receiver.post(genuine).status == 200
    pairs = sorted(pair for pair in genuine.split("&") if not pair.startswith("sign"))
    at = next(number for number, pair in enumerate(pairs) if pair.startswith("total_amount"))
    pairs[at - 1 : at + 1] = [pairs[at - 1] + "%26" + pairs[at].replace("=", "%3D")]
    rest = [pair for pair in genuine.split("&") if pair.startswith("sign")]
    assert receiver.post("&".join(pairs + rest)).status == 400
    assert len(lines(home)) == 1


def test_foreign_and_unknown_messages_are_kept_and_not_sent_again(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    bodies = [
        posted(channel_key, "A1", app_id="2021999999999999"),
        posted(channel_key, "S1", seller_id="2088999999999999"),
        posted(channel_key, "U1", trade_status="SOMETHING_NEW"),
    ]
    assert {receiver.post(body).body for body in bodies} == {b"success"}
    assert [line["body"] for line in lines(home)] == bodies
    assert (receiver.count("foreign"), receiver.count("unknown")) == (2, 1)
    assert receiver.post("sign=x").status == 400
    assert run_mdash(home, "load", str(log_folder(home)), "--json").code == 3
    period = ("--from", "2025-01-01", "--to", "2040-12-31")
    ran = run_mdash(home, "metric", "notifications", *period, "--format", "json")
    row = ran.json()["rows"][0]
    assert (row["mismatched"], row["received"], row["bad_signature"]) == (2, 0, 1)


def test_gbk_bytes_that_are_not_escaped_are_read(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    from tests.store.messages import fields, signed

    message = signed(channel_key, fields("G1", charset="gbk", subject="手机壳"))
    body = "&".join(
        f"{name}={value.replace('+', '%2B').replace('=', '%3D')}" for name, value in message.items()
    )
    assert receiver.post(body.encode("gbk")).body == b"success"


def test_what_is_no_message_of_a_configured_channel(receiver: Client) -> None:
    assert receiver.post("x=1", "/notify/wechatpay").status == 404
    assert receiver.post("x=1", "/notify/nobody").status == 404
    assert receiver.get("/notify/alipay").status == 405
    for body in ("", "&&&", "=", "sign=", "sign=x&notify_id=1&trade_status=2"):
        assert receiver.post(body).status == 400


@pytest.mark.parametrize("is_said", [True, False])
def test_a_body_longer_than_any_message_is_not_read(
    receiver: Client, home: Path, is_said: bool
) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as line:
        size = b"Content-Length: 99999999" if is_said else b"Transfer-Encoding: chunked"
        line.sendall(b"POST /notify/alipay HTTP/1.1\r\nHost: x\r\n" + size + b"\r\n\r\n")
        if not is_said:
            chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
            line.sendall(chunk * (MAX_BODY_BYTES // 0x4000 + 1))
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")
        assert _is_hung_up(line)
    assert log_files(log_folder(home)) == []


def test_a_head_longer_than_any_is_refused(receiver: Client) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as line:
        line.sendall(b"POST /notify/alipay HTTP/1.1\r\nX: " + b"x" * 20_000)
        assert line.recv(4096).startswith(b"HTTP/1.1 400 ")
        assert _is_hung_up(line)


def test_slow_senders_are_hung_up_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, channel_key: bytes
) -> None:
    monkeypatch.setattr("dashboard.receiving.HEAD_TIME_S", 0.4)
    monkeypatch.setattr("loaders.receiver.BODY_TIME_S", 0.4)
    with receiving(home) as client:
        for start in (b"", b"POST /notify/alipay HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", client.port), timeout=10) as line:
                line.sendall(start)
                assert _is_hung_up(line)
        with socket.create_connection(("127.0.0.1", client.port), timeout=10) as line:
            line.sendall(b"POST /notify/alipay HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
            assert line.recv(4096).startswith(b"HTTP/1.1 408 ")
            assert _is_hung_up(line)
        time.sleep(0.5)
        assert client.post(posted(channel_key, "M1")).body == b"success"
        time.sleep(0.5)
        assert client.post(posted(channel_key, "M2")).body == b"success"


def _is_hung_up(line: socket.socket) -> bool:
    for _ in range(100):
        try:
            if not line.recv(4096):
                return True
        except ConnectionResetError:
            return True
    return False


def test_a_sender_of_bad_messages_is_slowed_down_and_nobody_else(
    receiver: Client, home: Path, channel_key: bytes
) -> None:
    for _ in range(REFUSALS_PER_SENDER):
        assert receiver.post("sign=x", x_forwarded_for=ADDRESS).status == 400
    genuine = posted(channel_key, "M1")
    assert receiver.post(genuine, x_forwarded_for=ADDRESS).status == 429
    assert receiver.post(genuine, x_forwarded_for="47.88.1.3").status == 200


def test_a_proxy_that_hides_its_senders_is_never_slowed_down(
    receiver: Client, channel_key: bytes
) -> None:
    for _ in range(3 * REFUSALS_PER_SENDER):
        assert receiver.post("sign=x").status == 400
    assert receiver.post(posted(channel_key, "M1")).status == 200


def test_the_tables_of_senders_and_messages_are_bounded() -> None:
    now = [0.0]
    senders = BadSenders(lambda: now[0])
    for _ in range(REFUSALS_PER_SENDER):
        senders.refuse(ADDRESS)
    assert senders.is_limited(ADDRESS)
    now[0] = 61.0
    assert not senders.is_limited(ADDRESS)
    for number in range(MAX_SENDERS + 100):
        senders.refuse(f"47.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert len(senders._refusals) == MAX_SENDERS
    assert not senders.refuse(ADDRESS), "a flood is counted, not written line by line"
    known = KnownMessages(3)
    for number in range(5):
        known.add("alipay", str(number))
    assert [known.deliveries("alipay", str(number)) for number in range(5)] == [0, 0, 1, 1, 1]


def test_networks_name_no_machine() -> None:
    assert masked("203.0.113.77") == "203.0.113.0/24"
    assert masked("2001:db8:1:2::77") == "2001:db8:1::/48"
    assert masked("::ffff:203.0.113.77") == "203.0.113.0/24"
    assert masked("unix:") == "?"


def test_the_answer_waits_for_the_disk_and_many_share_one_sync(
    home: Path, channel_key: bytes
) -> None:
    may_sync, syncs = threading.Event(), list[int]()

    def sync(descriptor: int) -> None:
        assert may_sync.wait(20)
        syncs.append(descriptor)
        os.fsync(descriptor)

    bodies = [posted(channel_key, f"M{number}") for number in range(20)]
    told: list[int] = []

    def send(port: int, body: str) -> None:
        with Client(port) as one:
            told.append(one.post(body).status)

    with receiving(home, sync) as client:
        threads = [threading.Thread(target=send, args=(client.port, body)) for body in bodies]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert told == []
        may_sync.set()
        for thread in threads:
            thread.join(20)
    assert told == [200] * 20
    assert 1 <= len(syncs) <= 4
    assert sorted(line["body"] for line in lines(home)) == sorted(bodies)


def test_a_disk_that_fails_is_never_acknowledged(home: Path, channel_key: bytes) -> None:
    is_broken = [True]

    def sync(descriptor: int) -> None:
        if is_broken[0]:
            raise OSError(28, "No space left on device")
        os.fsync(descriptor)

    with receiving(home, sync) as client:
        told = client.post(posted(channel_key, "M1"))
        assert (told.status, told.body) == (503, b"fail")
        health = client.get("/healthz")
        assert health.status == 503
        assert json.loads(health.body)["log"] == "No space left on device"
        is_broken[0] = False
        assert client.post(posted(channel_key, "M1")).status == 200
        assert client.get("/healthz").status == 200
        assert (client.count("not_stored"), client.count("accepted")) == (1, 1)
    assert len(lines(home)) == 1


def test_metrics_answer_this_machine_alone(receiver: Client, channel_key: bytes) -> None:
    receiver.post(posted(channel_key, "M1"))
    text = receiver.get("/metrics").body.decode()
    for name in ("mdash_log_sync_seconds_bucket", "mdash_log_queue_age_seconds 0.0",
                 "mdash_log_lag_bytes", "mdash_log_lag_seconds"):
        assert name in text
    lag = next(line for line in text.splitlines() if line.startswith("mdash_log_lag_bytes "))
    assert float(lag.split()[1]) > 0
    assert receiver.get("/metrics", x_forwarded_for=ADDRESS).status == 404


def test_logs_are_json_without_what_a_message_says(
    receiver: Client, channel_key: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "mdash"):
        told = receiver.post(posted(channel_key, "M1"), x_forwarded_for=ADDRESS)
        receiver.post("sign=%00secret", x_forwarded_for=ADDRESS)
    said = [JsonFormatter().format(record) for record in caplog.records if record.name == "mdash"]
    first: dict[str, Any] = json.loads(said[0])
    assert first["request_id"] == told.headers["x-request-id"]
    assert (first["verdict"], first["network"]) == ("accepted", "47.88.1.0/24")
    for secret in ("M1", "88.88", "secret", ADDRESS):
        assert not [line for line in said if secret in line]


def test_an_error_in_the_log_is_its_kind_and_place() -> None:
    try:
        raise ValueError("buyer wei***@example.com")
    except ValueError as error:
        record = logging.LogRecord("mdash", 40, "", 0, "failed", (), (type(error), error,
                                                                    error.__traceback__))
    said = json.loads(JsonFormatter().format(record))
    assert (said["error"], said["level"]) == ("ValueError", "error")
    assert said["where"][0].startswith("test_receiver.py:")
    assert "buyer" not in json.dumps(said)


def test_without_a_key_the_receiver_does_not_start(tmp_path: Path) -> None:
    ran = run_mdash(tmp_path / "bare", "receive", "--port", "1")
    assert ran.code == 2
    assert "alipay_public_key_file" in ran.err


def test_another_home_is_not_touched(tmp_path: Path, channel_key: bytes) -> None:
    home = make_home(tmp_path / "other", channel_key)
    with receiving(home) as client:
        assert client.post(posted(channel_key, "M1")).status == 200
    assert not (home / "catalog.sqlite").exists()

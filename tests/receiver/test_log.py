"""The durable log's files: rotation, several writers, torn ends, retention; and reading its tail."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from loaders.durable_log import LogWriter, log_files, log_folder
from loaders.errors import StoreBusy
from loaders.settings import Settings, load_settings
from loaders.store.warehouse import Warehouse
from loaders.tail import discard_old, has_news, lag, load_new, places
from tests.conftest import Mdash
from tests.receiver.conftest import Client, lines, process, receiving
from tests.receiver.messages import posted
from tests.store.messages import envelope

pytestmark = pytest.mark.slow

CHINA = ZoneInfo("Asia/Shanghai")


def writer(folder: Path, size: int = 2**20, day: Callable[[], date] = date.today) -> LogWriter:
    return LogWriter(folder, CHINA, size, now=lambda zone: datetime.combine(
        day(), datetime.min.time(), zone))


def stored(mdash: Mdash) -> dict[str, int]:
    """How often each order's message stands in the store."""
    ran = mdash("sql", "select order_no, count(*) as n from notifications where order_no is not null"
                       " group by all", "--format", "json")
    return {row["order_no"]: row["n"] for row in ran.json()["rows"]}


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings(home)


def test_a_file_ends_with_its_day_and_its_size(tmp_path: Path) -> None:
    days = [date(2026, 11, 20)]
    log = writer(tmp_path, 20, lambda: days[0])
    for _ in range(4):
        log.write([b'{"n":"0123456789"}\n'])
    days[0] = date(2026, 11, 21)
    log.write([b"{}\n"])
    log.close()
    assert [path.name for path in log_files(tmp_path)] == [
        "2026-11-20.1.0001.jsonl", "2026-11-20.1.0002.jsonl", "2026-11-21.1.0001.jsonl",
    ]


def test_every_start_begins_a_new_file_and_every_writer_has_its_own(tmp_path: Path) -> None:
    one = writer(tmp_path)
    two = writer(tmp_path)
    for log in (one, two):
        log.write([b"{}\n"])
    one.close()
    three = writer(tmp_path)
    three.write([b"{}\n"])
    assert [log.receiver for log in (one, two, three)] == [1, 2, 1]
    assert [path.name[11:] for path in log_files(tmp_path)] == [
        "1.0001.jsonl", "1.0002.jsonl", "2.0001.jsonl",
    ]
    for log in (two, three):
        log.close()


@pytest.mark.parametrize(
    ("torn", "left"),
    [
        (b'{"n":1}\n{"n":2}\n{"n":', b'{"n":1}\n{"n":2}\n'),
        (b'{"n":1}\n{"n":2}\n\0\0\0\0\n\0\0', b'{"n":1}\n{"n":2}\n'),
        (b'{"n":1}\n', b'{"n":1}\n'),
        (b'{"n"', b""),
        (b"", b""),
    ],
)
def test_a_torn_end_is_cut_off_and_set_aside(tmp_path: Path, torn: bytes, left: bytes) -> None:
    path = tmp_path / "2026-11-20.1.0001.jsonl"
    path.write_bytes(torn)
    living = writer(tmp_path)
    assert path.read_bytes() == left
    aside = list(tmp_path.glob(".torn-*"))
    assert b"".join(item.read_bytes() for item in aside) == torn[len(left) :]
    assert len(aside) == (left != torn)
    living.close()


def test_the_file_of_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    living = writer(tmp_path)
    living.write([b"{}\n"])
    (path,) = log_files(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"half')
    other = writer(tmp_path)
    assert path.read_bytes() == b'{}\n{"half'
    for log in (living, other):
        log.close()


def test_after_a_failed_write_only_what_was_synced_is_left(tmp_path: Path) -> None:
    failures = [None, OSError(5, "Input/output error")]

    def sync(descriptor: int) -> None:
        if failures and (failure := failures.pop(0)):
            raise failure
        os.fsync(descriptor)

    log = LogWriter(tmp_path, CHINA, 2**20, sync)
    log.write([b'{"n":1}\n'])
    with pytest.raises(OSError, match="Input/output"):
        log.write([b'{"n":2}\n'])
    log.write([b'{"n":3}\n'])
    log.close()
    assert [path.read_bytes() for path in log_files(tmp_path)] == [b'{"n":1}\n', b'{"n":3}\n']


def test_new_lines_are_loaded_once_and_half_lines_wait(
    settings: Settings, mdash: Mdash, channel_key: bytes
) -> None:
    log = writer(log_folder(settings.home))
    first, second = (
        envelope(posted(channel_key, f"T{n}"), f"2026-11-20T10:00:0{n}+08:00").encode() + b"\n"
        for n in range(2)
    )
    log.write([first + second[:50]])
    assert [load.rows for load in load_new(settings)] == [1]
    assert load_new(settings) == []
    assert has_news(settings.home)
    assert lag(settings.home).bytes == 50
    log.write([second[50:], b"{}\n"])
    log.close()
    (load,) = load_new(settings)
    (path,) = log_files(log_folder(settings.home))
    assert (load.rows, load.duplicates, load.reject_count) == (1, 0, 1)
    assert not has_news(settings.home)
    assert stored(mdash) == {"T0": 1, "T1": 1}
    said = mdash("sql", "select file, line from rejects", "--format", "json").json()
    assert said["rows"] == [{"file": path.name, "line": 3}]
    grown = mdash("sql", "select load_id, file, rows, rejected from loads", "--format", "json").json()
    assert grown["rows"] == [{"load_id": 1, "file": path.name, "rows": 2, "rejected": 1}]


@pytest.mark.slow
def test_a_load_that_was_taken_back_does_not_grow(
    settings: Settings, mdash: Mdash, channel_key: bytes
) -> None:
    log = writer(log_folder(settings.home))
    log.write([envelope(posted(channel_key, "T0")).encode() + b"\n"])
    load_new(settings)
    assert mdash("undo", "1").code == 0
    log.write([envelope(posted(channel_key, "T1")).encode() + b"\n"])
    log.close()
    assert [load.load_id for load in load_new(settings)] == [2]
    assert stored(mdash) == {"T1": 1}


def test_a_lost_note_or_a_load_by_hand_doubles_nothing(
    settings: Settings, mdash: Mdash, channel_key: bytes
) -> None:
    folder = log_folder(settings.home)
    log = writer(folder)
    log.write([envelope(posted(channel_key, f"T{n}")).encode() + b"\n" for n in range(3)])
    log.close()
    load_new(settings)
    (folder / ".loaded.json").write_text("{broken", "utf-8")
    (again,) = load_new(settings)
    assert (again.rows, again.duplicates) == (0, 3)
    ran = mdash("load", str(folder), "--json").json()
    assert (ran["rows"], ran["rejected"], len(ran["files"])) == (0, 0, 1)
    assert stored(mdash) == {"T0": 1, "T1": 1, "T2": 1}


@pytest.mark.slow
def test_while_another_job_writes_the_lines_wait(settings: Settings, channel_key: bytes) -> None:
    log = writer(log_folder(settings.home))
    log.write([envelope(posted(channel_key, "T0")).encode() + b"\n"])
    log.close()
    with Warehouse(settings, {}), pytest.raises(StoreBusy):
        load_new(settings)
    assert has_news(settings.home)
    assert [load.rows for load in load_new(settings)] == [1]


def test_only_old_files_that_are_loaded_are_removed(
    settings: Settings, channel_key: bytes
) -> None:
    folder = log_folder(settings.home)
    for ago, order in ((200, "OLD"), (80, "NEW")):
        begun = date.today() - timedelta(days=ago)
        log = writer(folder, day=partial(date.fromordinal, begun.toordinal()))
        log.write([envelope(posted(channel_key, order)).encode() + b"\n"])
        log.close()
    assert discard_old(settings) == []
    load_new(settings)
    late = writer(folder, day=lambda: date.today() - timedelta(days=150))
    late.write([envelope(posted(channel_key, "LATE")).encode() + b"\n"])
    late.close()
    assert [path.name[:10] for path in discard_old(settings)] == [
        (date.today() - timedelta(days=200)).isoformat()
    ]
    assert len(log_files(folder)) == 2
    assert len(places(settings.home)) == 1


@pytest.mark.slow
def test_a_log_larger_than_one_read_is_loaded_whole(
    settings: Settings, mdash: Mdash, channel_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.tail.PIECE_BYTES", 3_000)
    log = writer(log_folder(settings.home))
    log.write([envelope(posted(channel_key, f"T{n}")).encode() + b"\n" for n in range(5)])
    log.close()
    made = [load.rows for _ in range(5) for load in load_new(settings)]
    assert sum(made) == 5
    assert len(made) > 1
    assert stored(mdash) == {f"T{n}": 1 for n in range(5)}


@pytest.mark.slow
def test_a_message_to_a_served_home_is_in_the_store_within_five_seconds(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    with process(home, tmp_path / "said", "serve") as (_, port), Client(port) as client:
        for number in range(4):
            began = time.monotonic()
            assert client.post(posted(channel_key, f"S{number}")).body == b"success"
            while client.metric("mdash_log_lag_bytes"):
                assert time.monotonic() - began < 5
                time.sleep(0.1)
            assert stored(mdash)[f"S{number}"] == 1
        assert client.metric('mdash_source_watermark_timestamp_seconds{source="notification_log"}')
        assert client.metric('mdash_loads_total{result="done"}')
        assert json.loads(client.get("/healthz").body)["status"] == "ok"


def test_two_receivers_of_one_home_lose_nothing(home: Path, channel_key: bytes) -> None:
    with receiving(home) as one, receiving(home) as two:
        for client, order in ((one, "ONE"), (two, "TWO")):
            assert client.post(posted(channel_key, order)).status == 200
    assert [path.name[11:] for path in log_files(log_folder(home))] == [
        "1.0001.jsonl", "2.0001.jsonl",
    ]
    assert sorted(load.rows for load in load_new(load_settings(home))) == [1, 1]


def test_received_at_is_the_instant_of_receipt(home: Path, channel_key: bytes) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    with receiving(home) as client:
        client.post(posted(channel_key, "M1"))
    at = datetime.fromisoformat(lines(home)[0]["received_at"])
    assert before <= at <= datetime.now(UTC)

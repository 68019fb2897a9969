"""An upload is bounded, loaded by a child within limits, and entered into the trail."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from dashboard import bounded, uploads
from dashboard.identity.rights import ROLES, Person
from dashboard.operations import audit
from dashboard.operations.deeds import settle
from dashboard.services import Services
from loaders import deeds
from loaders.errors import Forbidden, RefusedInput
from loaders.settings import load_settings
from sample_data.files import trade_bill
from tests.conftest import run_mdash
from tests.store.messages import order
from tests.store.test_bills import DAY, lines

pytestmark = pytest.mark.slow


def services(home: Path, role: str = "admin") -> Services:
    return Services(load_settings(home), person=Person("ada", ROLES[role]))


def bomb() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bill.csv", b"0" * (64 * 2**20))
    return sink.getvalue()


@pytest.mark.slow
def test_an_upload_is_loaded_by_a_child_and_named_in_the_trail(home: Path) -> None:
    mine = services(home)
    good, bad = mine.upload_contents([
        ("../../bill.csv", trade_bill(DAY, DAY, lines())), ("bomb.zip", bomb()),
    ])
    assert (good["path"], good["status"], bad["status"]) == ("bill.csv", "loaded", "refused")
    assert "zip bomb" in bad["message"]
    (entry,) = mine.trail.read(action="loaded")
    assert (entry["actor"], entry["subject"]) == ("ada", "load 1")
    assert json.loads(entry["detail"])["rows"] == good["rows"]
    mine.undo(1)
    assert [row["action"] for row in mine.trail.read()] == ["undone", "loaded"]
    assert audit.verify(mine.people.ledger).ok
    assert list((home / "tmp").glob("upload-*")) == []


def test_a_child_without_memory_ends_alone_and_is_explained(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LIMITS", bounded.Limits(memory=90 * 2**20))
    with pytest.raises(RefusedInput) as caught:
        services(home).upload_contents([("orders.jsonl", order().encode())])
    assert "The load" in caught.value.template


def test_limits_hold_in_the_child_and_in_what_it_starts() -> None:
    code = (
        "import resource, subprocess, sys\nfrom dashboard.bounded import Limits, _lower\n"
        "_lower(Limits(memory=2**32, file=2**20, cpu_s=1))\n"
        "own = 'import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0],"
        " resource.getrlimit(resource.RLIMIT_CORE)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[0])'\n"
        "print(subprocess.check_output([sys.executable, '-c', own], text=True), flush=True)\n"
        "while True: pass"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(2**32), "0", str(2**20)]
    assert done.returncode < 0


def test_a_child_that_outlives_its_time_is_ended_with_its_children(home: Path) -> None:
    done = bounded.run(
        ["--home", str(home), "receive", "--port", "0"], bounded.Limits(wall_s=1), {}
    )
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("count", "size"), [(uploads.MOST_FILES + 1, 1), (1, uploads.MOST_BYTES + 2**20)]
)
def test_too_many_files_or_bytes_are_refused_before_anything_is_written(
    count: int, size: int
) -> None:
    with pytest.raises(RefusedInput, match="are taken"):
        uploads.check(count, size)


def test_uploads_at_once_take_turns(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [], []

    def load(*_: object) -> list[dict[str, object]]:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.05)
        inside.pop()
        return []

    monkeypatch.setattr(uploads, "load_paths", load)
    settings = load_settings(home)
    threads = [
        threading.Thread(target=uploads.load_contents, args=(settings, [("a", b"")], "ada", "en"))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_without_the_right_nothing_is_loaded_and_the_attempt_is_recorded(home: Path) -> None:
    for act in (
        lambda: services(home, "operator").upload_contents([("a", b"")]),
        lambda: services(home, "operator").undo(1),
    ):
        with pytest.raises(Forbidden):
            act()
    found = services(home).trail.read(person="ada")
    assert [row["action"] for row in found] == ["refused", "refused"]


def test_a_load_without_its_ledger_is_loaded_and_its_deed_waits(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(order())
    with (home / "mdash.toml").open("a") as file:
        file.write('[store]\nledger = "nowhere"\n')
    ran = run_mdash(home, "load", str(path))
    assert ran.code == 0
    assert "The trail could not be written" in ran.err
    monkeypatch.setenv("MDASH_STORE__LEDGER", "sqlite")
    (entry,) = services(home).trail.read()
    assert (entry["action"], entry["actor"]) == ("loaded", "local")
    assert services(home).trail.read(subject="load 1") == [entry]


def test_a_deed_taken_over_by_one_who_died_is_entered_once(home: Path) -> None:
    mine = services(home)

    def die(is_after_writing: bool) -> None:
        with deeds.taken(home) as (found, _):
            if is_after_writing:
                audit.record(mine.people.ledger, "local", "loaded", "load 8", deed=found[0]["id"])
            raise ZeroDivisionError

    deeds.note(home, "loaded", "load 7", rows=1)
    with pytest.raises(ZeroDivisionError):
        die(is_after_writing=False)
    assert settle(mine.people.ledger) == 1
    deeds.note(home, "loaded", "load 8")
    with pytest.raises(ZeroDivisionError):
        die(is_after_writing=True)
    assert settle(mine.people.ledger) == 0
    assert [row["subject"] for row in mine.trail.read()] == ["load 8", "load 7"]


def test_a_torn_deed_is_recorded_as_such_and_keeps_none_from_the_trail(home: Path) -> None:
    mine = services(home)
    (home / "deeds.jsonl").write_bytes(b'{"id":"a","at":"x","actor":"l","action":"loa\n[1]\n{"id')
    deeds.note(home, "loaded", "load 7", rows=1)
    assert settle(mine.people.ledger) == 4
    found = [(row["actor"], row["action"], row["subject"]) for row in mine.trail.read()]
    assert found == [("local", "loaded", "load 7")] + [("system", "refused", "a noted deed")] * 3
    assert settle(mine.people.ledger) == 0


@pytest.mark.parametrize(("sent", "kept"), [
    ("..", "file"), (".", "file"), ("", "file"), ("a/..", "file"), ("C:\\bills\\a.csv", "a.csv"),
    ("../../a.zip", "a.zip"), ("a\0\nb.csv", "ab.csv"), ("13812345678.csv", "138****5678.csv"),
])
def test_whatever_name_a_browser_sends_one_file_is_stored(sent: str, kept: str) -> None:
    assert uploads.stored_name(sent) == kept


def test_a_long_name_is_cut_to_bytes_and_keeps_its_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        uploads, "load_paths", lambda _, paths, *__: [{"path": str(path)} for path in paths]
    )
    sent = [("账" * 120 + ".csv", b"x"), ("..", b"x")]
    first, second = uploads.load_contents(load_settings(home), sent, "ada", "zh")
    assert first["path"].endswith("账.csv")
    assert len(first["path"].encode()) <= uploads.MOST_NAME_BYTES
    assert second["path"] == "file"

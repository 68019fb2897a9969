"""The job behind `mdash load`: files → identified → staged → stored, with a report of each."""

from __future__ import annotations

import json
import logging
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import mkdtemp

from loaders import checkout, deeds, notifications, settlement
from loaders.channels import CHANNELS, identify, retry_ladders
from loaders.channels.protocol import Channel
from loaders.errors import ConfigurationError, MdashError, RefusedInput, StoreBusy
from loaders.file_report import FileReport, refuse, tell
from loaders.files import Content, contents, sha256
from loaders.logs import event
from loaders.settings import Settings
from loaders.staging import Load, Staged
from loaders.store.deposit import deposit, known_sha256
from loaders.store.warehouse import LOCK_WAIT_S, Warehouse

BATCH_FILES = 60
SNIFFED_BYTES = 2 * 2**20
CONFLICT_TRIES = 5
BATCH_BYTES = 256 * 2**20


Progress = Callable[[int, int, str], None]
_LOG_JOBS: tuple[
    tuple[str, Callable[[list[str]], bool], Callable[[Path, Load, Settings, Path], Staged]], ...
] = (
    ("checkout_log", checkout.looks_like_log, checkout.stage),
    ("notification_log", notifications.looks_like_log, notifications.stage),
)


def load_paths(
    settings: Settings, paths: Sequence[Path], progress: Progress | None = None, *,
    wait_s: float = LOCK_WAIT_S, is_noted: bool = True,
) -> list[FileReport]:
    """Load files and folders. A refused file never keeps the others from being loaded.

    With `is_noted` what was loaded is noted for the trail. Raises StoreBusy if another job holds
    the store for longer than `wait_s`.
    """
    files = list(_expand(paths))
    reports: list[FileReport] = []
    with Warehouse(settings, retry_ladders(), wait_s) as warehouse:
        _sweep(settings.home / "tmp")
        for batch in _batches(files):
            made, loads = _load_patiently(warehouse, settings, batch)
            reports.extend(made)
            if is_noted:
                _note(settings.home, loads)
            if progress:
                progress(len(reports), len(files), batch[-1].name)
    return reports


def _expand(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(
                item
                for item in path.rglob("*")
                if item.is_file() and not any(p.startswith(".") for p in item.parts[-3:])
            )
        else:
            yield path


def _batches(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Files that are stored in one transaction: many small ones, or one large."""
    batch: list[Path] = []
    size = 0
    for path in files:
        batch.append(path)
        size += path.stat().st_size if path.exists() else 0
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _sweep(folder: Path) -> None:
    """Remove what a killed load left; the store's lock is held, so nobody uses it."""
    for item in folder.iterdir():
        if item.name.startswith("load-"):
            shutil.rmtree(item, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Work:
    """Where a file's rows are written, for which store, and the number of its first load."""

    folder: Path
    warehouse: Warehouse
    next_id: int


@contextmanager
def _workplace(settings: Settings) -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="load-", dir=settings.home / "tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _note(home: Path, loads: Sequence[Load]) -> None:
    """Note for the trail what was stored, in one line a batch."""
    stored = [load for load in loads if load.status != "duplicate"]
    if not stored:
        return
    numbers = [load.load_id for load in stored]
    subject = f"load {min(numbers)}" + (f"-{max(numbers)}" if len(numbers) > 1 else "")
    try:
        deeds.note(
            home, "loaded", subject, files=len(stored), kinds=sorted({load.kind for load in stored}),
            rows=sum(load.rows for load in stored),
            rejected=sum(load.reject_count for load in stored),
            cards_masked=sum(load.card_count for load in stored),
        )
    except OSError as error:
        event("load not noted", logging.ERROR, error=error, loads=subject)


def _load_patiently(
    warehouse: Warehouse, settings: Settings, paths: Sequence[Path]
) -> tuple[list[FileReport], list[Load]]:
    """Load a batch; when another machine wrote at the same moment, read and store it anew."""
    for _ in range(CONFLICT_TRIES):
        try:
            return _load_batch(warehouse, settings, paths)
        except StoreBusy:
            time.sleep(1 + 4 * random.random())
    return _load_batch(warehouse, settings, paths)


def _load_batch(
    warehouse: Warehouse, settings: Settings, paths: Sequence[Path]
) -> tuple[list[FileReport], list[Load]]:
    reports: list[FileReport] = []
    waiting: list[tuple[FileReport, list[Staged]]] = []
    seen: set[str] = set()
    first_id = warehouse.next_load_id()
    with _workplace(settings) as folder:
        for path in paths:
            staged_before = sum(len(group) for _, group in waiting)
            work = _Work(folder, warehouse, first_id + staged_before)
            report = FileReport(path=str(path))
            reports.append(report)
            try:
                staged = _stage(settings, path, report, seen, work)
            except MdashError as error:
                refuse(report, error)
            else:
                waiting.append((report, staged))
        loads = [staged for _, group in waiting for staged in group]
        if loads:
            deposit(warehouse, loads)
    for report, group in waiting:
        tell(report, [staged.load for staged in group])
    return reports, [staged.load for staged in loads]


def _stage(
    settings: Settings, path: Path, report: FileReport, seen: set[str], work: _Work
) -> list[Staged]:
    """Identify and read one file. An empty list: it is loaded already, as the report says."""
    try:
        report.sha256 = sha256(path)
    except FileNotFoundError as error:
        raise RefusedInput("There is no such file.") from error
    except OSError as error:
        raise RefusedInput("The file cannot be read: {why}.", why=error.strerror or "?") from error
    known = known_sha256(work.warehouse, report.sha256)
    if known is not None or report.sha256 in seen:
        report.status = "duplicate"
        report.template = "These very bytes are loaded already."
        if known is not None:
            report.channel, report.kind, report.covers = known
        return []
    with contents(path, work.folder) as found:
        staged = _read(settings, path, found, report, work)
    seen.add(report.sha256)
    return staged


def _read(
    settings: Settings, path: Path, found: list[Content], report: FileReport, work: _Work
) -> list[Staged]:
    bills: dict[_Group, list[Content]] = {}
    summaries: list[tuple[_Group, Content]] = []
    logs: list[Content] = []
    for content in found:
        sample = content.sample()
        match = identify(sample)
        if match is None:
            _refuse_foreign(sample.head)
            logs.append(content)
            continue
        channel, kind = match
        assert channel.bills is not None
        named = channel.bills.identity(sample)
        if kind == "bill_summary":
            summaries.append(((channel.name, kind, "whole", *named), content))
        else:
            part = channel.bills.frame(sample, kind).part
            bills.setdefault((channel.name, kind, part, *named), []).append(content)
    if not bills and not logs:
        report.channel, report.kind, report.status = summaries[0][0][0], "bill_summary", "loaded"
        report.template = "A summary holds control totals only; load the detail (明细) beside it."
        return []
    staged = _read_bills(settings, path, bills, summaries, report, work)
    return staged + [_read_log(path, settings, content, report, work.folder) for content in logs]


_Group = tuple[str, str, str, str | None, date | None, date | None]
"""Channel, kind, part, account and days: contents that agree in all of these are one bill."""


def _read_bills(
    settings: Settings,
    path: Path,
    bills: dict[_Group, list[Content]],
    summaries: Sequence[tuple[_Group, Content]],
    report: FileReport,
    work: _Work,
) -> list[Staged]:
    staged: list[Staged] = []
    for group, parts in sorted(bills.items(), key=lambda item: str(item[0]), reverse=True):
        name, kind = group[:2]
        channel = CHANNELS[name]
        load = _new_load(path, report, kind, channel)
        parts.sort(key=lambda content: (len(content.name), content.name))
        folder = Path(mkdtemp(prefix="bill-", dir=work.folder))
        rows = work.warehouse.whole_rows(settlement.TABLES[kind], work.next_id + len(staged))
        read, totals = settlement.stage(channel, kind, parts, load, folder, rows)
        _name_account(load, settings, channel)
        mine = [content for other, content in summaries if other[3:] == group[3:]]
        _check_summaries(channel, mine, totals)
        load.content_key = _content_key(parts, path, load.sha256)
        staged.append(read)
    if staged:
        report.channel, report.kind = staged[0].load.channel, staged[0].load.kind
    return staged


def _name_account(load: Load, settings: Settings, channel: Channel) -> None:
    """Set the account of a bill that does not name it. Raises ConfigurationError.

    Without it an account bill could not be told to belong to the trade bill of its day, and the
    money of both would be added up.
    """
    own = settings.channels.get(channel.name, {}).get(channel.account_setting, "")
    load.account = load.account or str(own)
    if not load.account and load.kind == "account_bill":
        raise ConfigurationError(
            "The bill does not say whose it is. Set {key} under [channels.{channel}] in mdash.toml,"
            " or give the file the name with which it was downloaded.",
            key=channel.account_setting,
            channel=channel.name,
        )


def _content_key(parts: Sequence[Content], path: Path, digest: str) -> str:
    return ":".join(digest if part.path == path else sha256(part.path) for part in parts)


def _check_summaries(
    channel: Channel, summaries: Sequence[Content], totals: dict[str, int]
) -> None:
    assert channel.bills is not None
    for summary in summaries:
        contradiction = channel.bills.check_summary(summary.sample(), totals)
        if contradiction:
            raise RefusedInput(
                "The archive's summary (汇总) contradicts its detail in {total}. Download it again.",
                total=contradiction,
            )


def _read_log(
    path: Path, settings: Settings, content: Content, report: FileReport, work: Path
) -> Staged:
    with content.path.open("rb") as file:
        head = file.read(SNIFFED_BYTES).decode("utf-8", errors="replace")
    lines = [line for line in head.splitlines() if line.strip()]
    for kind, looks_like, stage in _LOG_JOBS:
        if looks_like(lines):
            report.kind = report.kind or kind
            return stage(content.path, _new_load(path, report, kind, None), settings, work)
    raise RefusedInput(
        "This is no bill, notification log or checkout log that mdash knows. Give it Alipay's"
        " 业务明细 or 账务明细, WeChat Pay's 交易账单 or 资金账单, UnionPay's ZM or ZME file as"
        " downloaded, a notification log, or a checkout log."
    )


def _new_load(path: Path, report: FileReport, kind: str, channel: Channel | None) -> Load:
    assert report.sha256 is not None
    return Load(
        file=path.name,
        channel=channel.name if channel else None,
        kind=kind,
        sha256=report.sha256,
        content_key=report.sha256,
    )


def _refuse_foreign(head: bytes) -> None:
    """Wrong files that are met often, each with what to do."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")[:512]
    if start.startswith(b"<"):
        raise RefusedInput(
            "This is a web page or an XML error, not a bill. The download failed: try it again."
        )
    if start.startswith(b"{") and (b'"error_response"' in start or b"_response\"" in start[:80]):
        code = _error_code(head)
        raise RefusedInput(
            "This is an error answer of the channel's API ({code}), saved as if it were a bill."
            " Download it again.",
            code=code,
        )
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise RefusedInput(
            "This is an Excel workbook. Download the bill as CSV and load the file as it is."
        )


def _error_code(head: bytes) -> str:
    try:
        document = json.loads(head)
        node = next(value for value in document.values() if isinstance(value, dict))
        return str(node.get("sub_code") or node.get("code") or "?")[:60]
    except (ValueError, StopIteration, AttributeError):
        return "?"

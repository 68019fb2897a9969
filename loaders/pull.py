"""The job behind `mdash pull`: bills are asked for, fetched at once, checked, loaded and let go."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from loaders import remote
from loaders.call_log import now as utc_now
from loaders.channels import CHANNELS, identify, retry_ladders
from loaders.errors import ConfigurationError, MdashError, NoAnswer, RefusedInput
from loaders.exchange import BillLink
from loaders.file_report import FileReport
from loaders.files import contents, digest_of
from loaders.load import Progress, load_paths
from loaders.messages import CHINA
from loaders.records import Answer, BillTerms
from loaders.settings import Settings
from loaders.settlement import utc_end_of
from loaders.staging import Load, Staged
from loaders.store.days import covered_days, knows_payments
from loaders.store.deposit import BILL_TABLES, deposit
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse

MAX_BYTES = 512 * 2**20
TRIES = 3
SURE_AFTER = timedelta(days=3)
"""A bill that is still not there so long after its day will not come: there were no trades."""
_MONTH_READY = timedelta(days=3)
_KINDS = {"trade": "trade_bill", "account": "account_bill"}
Status = Literal["loaded", "empty", "missing", "failed", "refused"]
_EXIT_CODES: Mapping[Status, int] = {"loaded": 0, "empty": 0, "missing": 3, "failed": 3, "refused": 4}


@dataclass(frozen=True, slots=True)
class Period:
    """A day, or a whole month, as one bill covers it."""

    name: str
    first: date
    last: date

    def days(self) -> list[Period]:
        """Each of its days."""
        return [_one_day(day) for day in _each(self.first, self.last)]


@dataclass(slots=True)
class Pulled:
    """What became of one bill. `empty`: there were no trades, and the days count as covered.

    `missing`: the channel has not made it yet. `report` is what became of its file, if there was one.
    """

    span: Period
    status: Status
    rows: int = 0
    rejected: int = 0
    why: MdashError | None = field(default=None)
    report: FileReport | None = None

    @property
    def period(self) -> str:
        """The day or month, as the channel is asked for it."""
        return self.span.name

    def days(self) -> Iterator[date]:
        """The days the bill is about."""
        return _each(self.span.first, self.span.last)

    @property
    def exit_code(self) -> int:
        """0 if its days are covered now, 3 with rejected rows or if it is to be tried again."""
        return _EXIT_CODES[self.status] or (3 if self.rejected else 0)


def pull(
    settings: Settings, channel: str, kind: str, first: date, last: date, *,
    is_again: bool = False, most: int | None = None, progress: Progress | None = None,
    clock: Callable[[], datetime] = utc_now, is_stopping: Callable[[], bool] = lambda: False,
) -> list[Pulled]:
    """Fetch and load the bills of inclusive days, the oldest first; covered days are skipped.

    Every bill is loaded before the next is asked for, so that an interrupted pull goes on where it
    ended. At most `most` bills are asked for. Raises ConfigurationError for days without bills.
    """
    _check(settings, channel, kind, first, last, (clock() + CHINA).date())
    wanted = _wanted(settings, channel, _KINDS[kind], first, last, is_again)
    has_months = _terms(channel).has_months
    waiting = list(periods(wanted, (clock() + CHINA).date(), has_months=has_months))[:most]
    done: list[Pulled] = []
    count = len(waiting)
    with _workplace(settings) as work:
        while waiting and not is_stopping():
            period = waiting.pop(0)
            found = _Bill(settings, channel, kind, period, clock()).pull(work)
            if found.status == "missing" and period.first != period.last:
                waiting[:0] = period.days()
                count += len(period.days()) - 1
                continue
            done.append(found)
            if progress:
                progress(len(done), count, period.name)
    return done


def _check(
    settings: Settings, channel: str, kind: str, first: date, last: date, today: date
) -> None:
    part = CHANNELS.get(channel)
    if part is None or part.remote is None or "bill" not in part.remote.CALLS or kind not in _KINDS:
        raise ConfigurationError("The channel {channel} cannot be asked for bills.", channel=channel)
    earliest = today - timedelta(days=part.remote.BILL_TERMS.kept_days)
    if not earliest <= first <= last < today:
        raise ConfigurationError(
            "Bills can be fetched from {first} to {last}, the day before today.",
            first=earliest.isoformat(), last=(today - timedelta(days=1)).isoformat(),
        )
    remote.shared(settings).keys(channel)


def _terms(channel: str) -> BillTerms:
    part = CHANNELS[channel].remote
    assert part is not None
    return part.BILL_TERMS


def _wanted(
    settings: Settings, channel: str, kind: str, first: date, last: date, is_again: bool
) -> list[date]:
    """The days that no bill covers yet."""
    if is_again:
        return list(_each(first, last))
    reader = Reader(settings, retry_ladders())
    try:
        known = covered_days(reader, channel, account_of(settings, channel), kind, first, last)
    finally:
        reader.close()
    return [day for day in _each(first, last) if day not in known]


def account_of(settings: Settings, channel: str) -> str:
    """The account whose bills the channel's keys give; empty if it is not configured."""
    name = CHANNELS[channel].account_setting
    return str(settings.channels.get(channel, {}).get(name) or "")[:16]


def _each(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _one_day(day: date) -> Period:
    return Period(day.isoformat(), day, day)


def periods(days: list[date], today: date, *, has_months: bool = True) -> Iterator[Period]:
    """The bills that cover these days in order: of a month where all of it is wanted and over."""
    wanted = set(days)
    for day in days:
        if day not in wanted:
            continue
        month = _month(day)
        whole = set(_each(month.first, month.last))
        if has_months and whole <= wanted and today - month.last > _MONTH_READY:
            wanted -= whole
            yield month
        else:
            yield _one_day(day)


def _month(day: date) -> Period:
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Period(f"{first:%Y-%m}", first, following - timedelta(days=1))


@contextmanager
def _workplace(settings: Settings) -> Iterator[Path]:
    home = settings.home / "tmp"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(mkdtemp(prefix="pull-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Damaged(NoAnswer):
    """Not the bytes that were promised: worth another try, and none after the last."""


class _Bill:
    """One bill on its way from the channel into the store."""

    def __init__(
        self, settings: Settings, channel: str, kind: str, period: Period, at: datetime
    ) -> None:
        self._settings, self._channel, self._asked_kind = settings, channel, kind
        self._kind, self._period, self._at = _KINDS[kind], period, at

    def pull(self, work: Path) -> Pulled:
        """Ask, fetch, check and load; a link that lapsed or broke is asked for anew."""
        why: MdashError | None = None
        for _ in range(TRIES):
            answer: Answer[BillLink] = remote.shared(self._settings).ask(
                self._channel, "bill", kind=self._asked_kind, period=self._period.name
            )
            if answer.data is None:
                return self._unanswered(answer)
            if answer.data.state == "absent" or answer.data.url is None:
                return self._without_file(is_certain=answer.data.state == "empty")
            try:
                return self._loaded(self._fetched(answer.data, work))
            except NoAnswer as error:
                why = error
            except RefusedInput as error:
                return self._told("refused", error)
        return self._told("refused" if isinstance(why, _Damaged) else "failed", why)

    def _unanswered(self, answer: Answer[BillLink]) -> Pulled:
        if answer.why is None and answer.meaning is not None:
            status: Status = "refused" if answer.is_known else "failed"
            return self._told(status, MdashError(answer.meaning.text))
        return self._told("failed", answer.why)

    def _told(self, status: Status, why: MdashError | None) -> Pulled:
        return Pulled(self._period, status, why=why)

    def _fetched(self, link: BillLink, work: Path) -> Path:
        """The bill's file, of a bounded size. Raises NoAnswer, and RefusedInput for other files."""
        path = work / f"{self._channel}_{self._period.name}_{self._kind}"
        with path.open("wb") as file:
            reply = remote.shared(self._settings).download(
                self._channel, link.url or "", file.write, MAX_BYTES
            )
        if reply.status != 200:
            raise NoAnswer("The bill could not be downloaded (HTTP {status}).", status=reply.status)
        promised = reply.headers.get("content-length", "")
        if promised.isdigit() and int(promised) != path.stat().st_size:
            raise NoAnswer("The connection to the channel broke before its answer was complete.")
        self._check_file(path, work, link.sha1)
        return path

    def _check_file(self, path: Path, work: Path, sha1: str | None) -> None:
        """What lies at the address must be the bill that was asked for, and the bytes promised."""
        with contents(path, work) as found:
            if sha1 is not None and [digest_of(item.path, "sha1") for item in found] != [sha1]:
                raise _Damaged("The bill that was downloaded is not the one whose digest was told.")
            for content in found:
                sample = content.sample()
                match = identify(sample)
                bills = match[0].bills if match else None
                if match is None or bills is None or match[0].name != self._channel:
                    raise RefusedInput("What was downloaded is not a bill of the channel.")
                _, first, last = bills.identity(sample)
                is_other = (first, last) != (self._period.first, self._period.last)
                if match[1] not in (self._kind, "bill_summary") or is_other:
                    raise RefusedInput("What was downloaded is another bill than was asked for.")

    def _loaded(self, path: Path) -> Pulled:
        """Load the file and let it go."""
        try:
            (report,) = load_paths(self._settings, [path])
        finally:
            path.unlink()
        return self._reported(report)

    def _reported(self, report: FileReport) -> Pulled:
        why = MdashError(report.template, **report.values) if report.template else None
        if report.status == "refused":
            return Pulled(self._period, "refused", why=why, report=report)
        status: Status = "loaded" if report.rows or report.duplicates else "empty"
        if report.status in ("duplicate", "superseded"):
            status = "loaded"
        return Pulled(self._period, status, report.rows, report.rejected, why, report)

    def _without_file(self, *, is_certain: bool) -> Pulled:
        """No bill: no trades, if the channel says so or the bill will no longer come."""
        is_one_day = self._period.first == self._period.last
        is_late = utc_end_of(self._period.last) + SURE_AFTER < self._at
        if not is_certain and not (is_one_day and is_late):
            return self._told("missing", None)
        if self._is_contradicted():
            return self._told("missing", MdashError(
                "The channel has no bill of {period}, but trades were paid then. Ask again, or"
                " download the bill from the channel's site and load it.",
                period=self._period.name,
            ))
        self._cover()
        return self._told("empty", None)

    def _is_contradicted(self) -> bool:
        reader = Reader(self._settings, retry_ladders())
        try:
            return knows_payments(
                reader, self._channel, self._period.first, self._period.last
            )
        finally:
            reader.close()

    def _cover(self) -> None:
        """A load without rows says that the days are known: nothing happened on them."""
        account = account_of(self._settings, self._channel)
        name = f"{self._channel}_{self._period.name}_{self._kind}_empty"
        digest = sha256(f"{name} {account} {self._at.isoformat()}".encode()).hexdigest()
        load = Load(
            name, self._channel, self._kind, digest, digest, account=account,
            first_day=self._period.first, last_day=self._period.last, exported_at=self._at,
            watermark=utc_end_of(self._period.last),
        )
        with Warehouse(self._settings, retry_ladders()) as warehouse:
            deposit(warehouse, [Staged(load, BILL_TABLES[self._kind], [])])

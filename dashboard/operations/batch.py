"""Refunds from a table of lines: looked at as a whole first, then each under the same guards."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from dashboard.identity.rights import Person
from dashboard.operations import policy
from dashboard.operations.ledger import now
from dashboard.operations.refunds import Refund, Refunds
from loaders.errors import MdashError, RefusedInput

MOST_ROWS, MOST_BYTES = 1_000, 2**20
RECENT = timedelta(days=7)
"""So long an earlier refund of the same order and amount makes a line look like a repeat."""
REPEATS = "A refund of this order over the same amount was asked for already: {refund_no}."
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "order_no", "trade_no", "订单号", "商户订单号", "交易号", "支付宝交易号"),
    "amount": ("amount", "refund_amount", "金额", "退款金额", "退款金额（元）"),
    "reason": ("reason", "refund_reason", "原因", "退款原因"),
}
"""The columns of a batch, and the names each may have."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One line: the refund it asks for, and why it is not possible, or what became of it.

    `number` is the refund's: the same line has it in whatever file it stands. `repeats` is a recent
    refund of the same order and amount that no line of this file made.
    """

    line: int
    identifier: str
    channel: str | None = None
    order_no: str | None = None
    amount_fen: int | None = None
    reason: str = ""
    why: MdashError | None = None
    refund: Refund | None = None
    number: str = ""
    repeats: Refund | None = None

    @property
    def is_new(self) -> bool:
        """True for a line that is possible and was not asked for before."""
        return self.why is None and self.refund is None


@dataclass(frozen=True, slots=True)
class Batch:
    """A looked-at batch. `total_fen` is of the lines that are possible and not asked for yet."""

    rows: list[BatchRow]
    total_fen: int

    @property
    def repeats(self) -> int:
        """How many lines look like a repeat of a refund made otherwise."""
        return sum(row.repeats is not None for row in self.rows)


def preview(
    refunds: Refunds, person: Person, content: bytes, *, takes_repeats: bool = False
) -> Batch:
    """What each line would do; nothing is recorded or sent. Raises RefusedInput for the whole.

    A line that looks like a repeat of a refund made otherwise is left out, unless `takes_repeats`.
    """
    person.demand("refund")
    planned: dict[tuple[str, str], int] = defaultdict(int)
    numbered = _numbered([_placed(refunds, row) for row in _read(content)])
    own = frozenset(row.number for row in numbered)
    rows = [_looked_at(refunds, person, row, planned, own, takes_repeats) for row in numbered]
    total = sum(row.amount_fen or 0 for row in rows if row.is_new)
    return Batch(rows, total)


def run(
    refunds: Refunds, acting: Callable[[], Person], batch: Batch, name: str
) -> Iterator[BatchRow]:
    """Ask for each possible line; each is yielded with its refund, or with why there is none.

    `acting` tells for each line who acts, with the rights held then. The same line, in whatever
    file, asks for the same refund again, never for a second one.
    """
    own = frozenset(row.number for row in batch.rows)
    for row in batch.rows:
        if row.why is not None or row.channel is None or row.order_no is None:
            yield row
            continue
        try:
            if row.repeats is None:
                _check_repeat(_earlier(refunds, row), row, own)
            made = refunds.request(
                acting(), row.channel, row.order_no, row.amount_fen or 0, row.reason,
                refund_no=row.number, batch=name[:80],
            )
        except MdashError as error:
            yield replace(row, why=error)
        else:
            yield replace(row, refund=made, why=made.why)


def _placed(refunds: Refunds, row: BatchRow) -> BatchRow:
    """The line with its order."""
    if row.why is not None:
        return row
    try:
        channel, order_no = _order(refunds, row.identifier)
    except MdashError as error:
        return replace(row, why=error)
    return replace(row, channel=channel, order_no=order_no)


def _numbered(rows: Sequence[BatchRow]) -> list[BatchRow]:
    """The lines with their numbers: of what a line asks for, and how many equal ones are before it."""
    met: Counter[str] = Counter()
    found = []
    for row in rows:
        said = f"{row.channel}|{row.order_no}|{row.amount_fen}|{row.reason}"
        met[said] += row.why is None
        number = "" if row.why else f"B{sha256(f'{said}|{met[said]}'.encode()).hexdigest()[:32]}"
        found.append(replace(row, number=number))
    return found


def _earlier(refunds: Refunds, row: BatchRow) -> list[Refund]:
    return refunds.refunds(channel=row.channel, order_no=row.order_no)


def _repeated(earlier: Sequence[Refund], row: BatchRow, own: frozenset[str]) -> Refund | None:
    """A recent refund of the same order and amount that none of this file's lines made."""
    return next((
        item for item in earlier
        if item.refund_no not in own and item.state != "refused"
        and item.amount_fen == row.amount_fen and item.requested_at >= now() - RECENT
    ), None)


def _check_repeat(earlier: Sequence[Refund], row: BatchRow, own: frozenset[str]) -> None:
    """Raises RefusedInput for a repeat; a line that was asked for before is none."""
    if any(item.refund_no == row.number for item in earlier):
        return
    if (repeated := _repeated(earlier, row, own)) is not None:
        raise RefusedInput(REPEATS, refund_no=repeated.refund_no)


def _looked_at(
    refunds: Refunds, person: Person, row: BatchRow, planned: dict[tuple[str, str], int],
    own: frozenset[str], takes_repeats: bool,
) -> BatchRow:
    """The line checked as if the lines before it were refunded already."""
    if row.why is not None or row.channel is None or row.order_no is None:
        return row
    key, earlier = (row.channel, row.order_no), _earlier(refunds, row)
    before = next((item for item in earlier if item.refund_no == row.number), None)
    if before is not None:
        return replace(row, refund=before)
    row = replace(row, repeats=_repeated(earlier, row, own))
    try:
        order = refunds.books.order(*key)
        person.demand("refund", order.store if order else None, any_store=False)
        found = refunds.standing(person, *key)
        left = replace(found, remaining_fen=found.remaining_fen - planned[key])
        policy.check(left, refunds.settings.refunds, row.amount_fen or 0)
        if not takes_repeats:
            _check_repeat(earlier, row, own)
    except MdashError as error:
        return replace(row, why=error)
    planned[key] += row.amount_fen or 0
    return row


def _order(refunds: Refunds, identifier: str) -> tuple[str, str]:
    found = refunds.books.find(identifier)
    if len(found) > 1:
        raise RefusedInput(
            "{count} trades have this id. Give the number of one order.", count=len(found)
        )
    if not found:
        raise RefusedInput("There is no trade with this id.")
    return found[0]


def _read(content: bytes) -> Iterator[BatchRow]:
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        names = _names(next(reader, []))
        for number, cells in enumerate(reader):
            if number >= MOST_ROWS:
                raise RefusedInput("A batch has at most {most} lines.", most=MOST_ROWS)
            if any(cell.strip() for cell in cells):
                yield _row(reader.line_num, cells, names)
    except csv.Error as error:
        raise RefusedInput("The file is not a table of comma-separated values.") from error


def _text(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise RefusedInput("The file is larger than {megabytes} MB.", megabytes=MOST_BYTES // 2**20)
    for codec in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(codec)
        except UnicodeDecodeError:
            continue
    raise RefusedInput("The file is not a table of comma-separated values.")


def _names(header: list[str]) -> dict[str, int]:
    """Where each column stands. Raises RefusedInput."""
    heard = [cell.strip().lower() for cell in header]
    found = {
        column: next((heard.index(name) for name in names if name in heard), -1)
        for column, names in COLUMNS.items()
    }
    if min(found.values()) < 0:
        raise RefusedInput("The first line must name the columns id, amount and reason.")
    return found


def _row(line: int, cells: list[str], names: Mapping[str, int]) -> BatchRow:
    padded = [*cells, *[""] * (max(names.values()) + 1 - len(cells))]
    identifier, amount, reason = (padded[names[column]].strip() for column in COLUMNS)
    row = BatchRow(line, identifier, reason=reason)
    try:
        row = replace(row, amount_fen=policy.fen_of_text(amount))
        return replace(row, reason=policy.checked_reason(reason))
    except MdashError as error:
        return replace(row, why=error)

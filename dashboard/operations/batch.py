"""Refunds from a table of lines: looked at as a whole first, then each under the same guards."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from dashboard.identity.rights import Person
from dashboard.operations import policy
from dashboard.operations.refunds import Refund, Refunds
from loaders.errors import MdashError, RefusedInput

MOST_ROWS, MOST_BYTES = 1_000, 2**20
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "order_no", "trade_no", "订单号", "商户订单号", "交易号", "支付宝交易号"),
    "amount": ("amount", "refund_amount", "金额", "退款金额", "退款金额（元）"),
    "reason": ("reason", "refund_reason", "原因", "退款原因"),
}
"""The columns of a batch, and the names each may have."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One line: the refund it asks for, and why it is not possible, or what became of it."""

    line: int
    identifier: str
    channel: str | None = None
    order_no: str | None = None
    amount_fen: int | None = None
    reason: str = ""
    why: MdashError | None = None
    refund: Refund | None = None

    @property
    def is_new(self) -> bool:
        """True for a line that is possible and was not asked for before."""
        return self.why is None and self.refund is None


@dataclass(frozen=True, slots=True)
class Batch:
    """A looked-at batch. `total_fen` is of the lines that are possible and not asked for yet."""

    rows: list[BatchRow]
    total_fen: int
    digest: str


def preview(refunds: Refunds, person: Person, content: bytes) -> Batch:
    """What each line would do; nothing is recorded or sent. Raises RefusedInput for the whole."""
    person.demand("refund")
    planned: dict[tuple[str, str], int] = defaultdict(int)
    digest = sha256(content).hexdigest()
    rows = [_looked_at(refunds, person, row, planned, digest) for row in _read(content)]
    total = sum(row.amount_fen or 0 for row in rows if row.is_new)
    return Batch(rows, total, digest)


def run(refunds: Refunds, person: Person, batch: Batch, name: str) -> Iterator[BatchRow]:
    """Ask for each possible line; each is yielded with its refund, or with why there is none.

    The same content, under whatever name, asks for the same refunds again, never for second ones.
    """
    for row in batch.rows:
        if row.why is not None or row.channel is None or row.order_no is None:
            yield row
            continue
        try:
            made = refunds.request(
                person, row.channel, row.order_no, row.amount_fen or 0, row.reason,
                refund_no=_number(batch.digest, row.line), batch=name[:80],
            )
        except MdashError as error:
            yield replace(row, why=error)
        else:
            yield replace(row, refund=made, why=made.why)


def _number(digest: str, line: int) -> str:
    return f"B{digest[:20]}-{line}"


def _asked_for(refunds: Refunds, row: BatchRow, digest: str) -> Refund | None:
    """The refund that this line of this content made before."""
    found = refunds.refunds(channel=row.channel, order_no=row.order_no)
    return next((item for item in found if item.refund_no == _number(digest, row.line)), None)


def _looked_at(
    refunds: Refunds, person: Person, row: BatchRow, planned: dict[tuple[str, str], int],
    digest: str,
) -> BatchRow:
    """The line with its order, checked as if the lines before it were refunded already."""
    if row.why is not None:
        return row
    try:
        key = _order(refunds, row.identifier)
        row = replace(row, channel=key[0], order_no=key[1])
        if (before := _asked_for(refunds, row, digest)) is not None:
            return replace(row, refund=before)
        order = refunds.books.order(*key)
        person.demand("refund", order.store if order else None, any_store=False)
        found = refunds.standing(person, *key)
        left = replace(found, remaining_fen=found.remaining_fen - planned[key])
        policy.check(left, refunds.settings.refunds, row.amount_fen or 0)
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

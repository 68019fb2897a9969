"""Breaks planted in the sample merchant's books: one of each class of reconciliation, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from random import Random

from sample_data.files import Line, bill_lines
from sample_data.merchant import Order, Refund

Expected = dict[str, list[int]]
"""For each class: signed fen of each of its items."""


@dataclass(slots=True)
class Twin(Order):
    """The same order paid once more: its number, and a trade of its own."""

    @property
    def trade_no(self) -> str:
        """Another number of the channel's."""
        return f"{self.created_at:%Y%m%d}22001499999{self.number:09d}"


@dataclass(slots=True)
class Moved(Line):
    """A line whose movements of the account are not what the trade bill says."""

    planned: list[tuple[str, int]] = field(default_factory=list)

    @property
    def moves(self) -> list[tuple[str, int]]:
        """The movements as planted."""
        return self.planned


@dataclass(slots=True)
class Books:
    """What each side says: orders whose messages came, and both bills' lines by day."""

    told: list[Order]
    billed: dict[date, list[Line]]
    moved: dict[date, list[Line]]
    planted: Expected = field(default_factory=dict)
    planted_account: Expected = field(default_factory=dict)


def books(orders: Iterable[Order]) -> Books:
    """Books in perfect order, except for messages that never came."""
    told = list(orders)
    days = bill_lines(told)
    return Books(
        told, {day: list(lines) for day, lines in days.items()},
        {day: list(lines) for day, lines in days.items()},
    )


def plant(kept: Books, first_day: date, last_day: date) -> Books:
    """One break of each class between these days, which need a dozen quiet payments a day.

    A truth is written down beside each: it is not computed from the books.
    """
    middle = last_day - timedelta(days=3)
    chosen = _quiet(kept, middle)
    for put, line in zip(_BREAKS, chosen, strict=False):
        put(kept, line)
    _night(kept, chosen[len(_BREAKS)], middle)
    last = _quiet(kept, last_day)
    _unbilled(kept, last[0], last_day)
    _not_moved_yet(kept, last[1])
    _tomorrow(kept, last[2], last_day)
    _before_the_log(kept, chosen[0].order, first_day)
    _withdrawn(kept, chosen[0].order, middle)
    return kept


def scatter(kept: Books, first_day: date, last_day: date, count: int, seed: int) -> Books:
    """So many breaks, chosen at random, each of a payment of its own between these days."""
    chance = Random(seed)
    days = [first_day + timedelta(days=at) for at in range((last_day - first_day).days + 1)]
    lines = [line for day in days for line in _quiet(kept, day)]
    for line in chance.sample(lines, count):
        put = chance.choice((*_BREAKS, _at_night))
        put(kept, line)
    return kept


def plant_week(kept: Books, last_day: date) -> Books:
    """A break of each kind within the last week, as far as it has payments; not on its last days."""
    week = [last_day - timedelta(days=at) for at in range(2, 7)]
    lines = [line for day in week for line in _quiet(kept, day)]
    Random(1).shuffle(lines)
    for put, line in zip((*_BREAKS, _at_night), lines, strict=False):
        put(kept, line)
    return kept


def _at_night(kept: Books, line: Line) -> None:
    _night(kept, line, line.at.date())


def _quiet(kept: Books, day: date) -> list[Line]:
    """Payments of a day that were told and are never refunded."""
    return [
        line for line in kept.billed.get(day, [])
        if line.refund is None and line.order.received_at and not line.order.refunds
    ]


def _note(expected: Expected, name: str, fen: int) -> None:
    expected.setdefault(name, []).append(fen)


def _drop(days: dict[date, list[Line]], line: Line) -> None:
    days[line.at.date()].remove(line)


def _long(kept: Books, line: Line) -> None:
    kept.told.remove(line.order)
    _note(kept.planted, "long", line.order.amount_fen)


def _short(kept: Books, line: Line) -> None:
    _drop(kept.billed, line)
    _drop(kept.moved, line)
    _note(kept.planted, "short", line.order.amount_fen)


def _dearer(kept: Books, line: Line) -> None:
    """The bill shows a yuan less than the order, and so does the account."""
    cheaper = Line(replace(line.order, amount_fen=line.order.amount_fen - 100), None)
    for days in (kept.billed, kept.moved):
        _drop(days, line)
        days[line.at.date()].append(cheaper)
    _note(kept.planted, "amount_mismatch", -100)


def _untold(kept: Books, line: Line) -> None:
    line.order.received_at = []
    _note(kept.planted, "status_mismatch", line.order.amount_fen)


def _twice(kept: Books, line: Line) -> None:
    order = line.order
    assert order.paid_at is not None
    values = {name: getattr(order, name) for name in Order.__dataclass_fields__}
    twin = Twin(**(values | {"paid_at": order.paid_at + timedelta(seconds=9)}))
    again = Line(twin, None)
    kept.billed[again.at.date()].append(again)
    kept.moved[again.at.date()].append(again)
    _note(kept.planted, "duplicate", order.amount_fen)


def _unknown_refund(kept: Books, line: Line) -> None:
    """A refund nobody here asked for."""
    back = Refund("R9" + f"{line.order.number:08d}", 100, line.at, line.at + timedelta(minutes=5))
    if back.done_at.date() != line.at.date():
        back.done_at = line.at
    for days in (kept.billed, kept.moved):
        days[line.at.date()].append(Line(line.order, back))
    _note(kept.planted, "long", -100)


def _unmoved(kept: Books, line: Line) -> None:
    """On the trade bill, and never in the account: payment and fee."""
    _drop(kept.moved, line)
    _note(kept.planted_account, "short", line.receipt_fen)
    _note(kept.planted_account, "short", -line.order.fee_fen)


def _overcharged(kept: Books, line: Line) -> None:
    _drop(kept.moved, line)
    planned = [("在线支付", line.receipt_fen), ("收费", -line.fee_fen - 5)]
    kept.moved[line.at.date()].append(Moved(line.order, None, planned))
    _note(kept.planted, "fee_mismatch", -5)
    _note(kept.planted_account, "fee_mismatch", -5)


def _foreign_fee(kept: Books, line: Line) -> None:
    """A fee of the account that no trade explains."""
    foreign = replace(line.order, number=line.order.number + 90_000_000)
    kept.moved[line.at.date()].append(Moved(foreign, None, [("收费", -250)]))
    _note(kept.planted_account, "long", -250)


def _late_move(kept: Books, line: Line) -> None:
    """The account moves the day after the trade bill's day."""
    _drop(kept.moved, line)
    later = replace(line.order, paid_at=line.at + timedelta(days=1))
    kept.moved[line.at.date() + timedelta(days=1)].append(Line(later, None))
    _note(kept.planted_account, "cross_day", line.receipt_fen)
    _note(kept.planted_account, "cross_day", -line.order.fee_fen)


_BREAKS: tuple[Callable[[Books, Line], None], ...] = (
    _long, _short, _dearer, _untold, _twice, _unknown_refund, _unmoved, _overcharged, _foreign_fee,
    _late_move,
)


def _night(kept: Books, line: Line, day: date) -> None:
    """Paid two seconds before midnight; the bill has it a second after."""
    for days in (kept.billed, kept.moved):
        _drop(days, line)
    _retime(line.order, datetime.combine(day, time(23, 59, 58)))
    billed = replace(line.order, paid_at=datetime.combine(day + timedelta(days=1), time(0, 0, 1)))
    for days in (kept.billed, kept.moved):
        days[day + timedelta(days=1)].append(Line(billed, None))
    _note(kept.planted, "cross_day", line.order.amount_fen)


def _unbilled(kept: Books, line: Line, last_day: date) -> None:
    """Paid at the end of the last day: the next bill will have it, this one never will."""
    for days in (kept.billed, kept.moved):
        _drop(days, line)
    _retime(line.order, datetime.combine(last_day, time(23, 59, 58)))
    _note(kept.planted, "short", line.order.amount_fen)


def _tomorrow(kept: Books, line: Line, last_day: date) -> None:
    """Paid the day after the last: the bill of that day is not here yet."""
    for days in (kept.billed, kept.moved):
        _drop(days, line)
    _retime(line.order, datetime.combine(last_day + timedelta(days=1), time(0, 10)))
    _note(kept.planted, "bill_missing", line.order.amount_fen)


def _not_moved_yet(kept: Books, line: Line) -> None:
    """On the last day's trade bill; the next account bill may have it."""
    _drop(kept.moved, line)
    _note(kept.planted_account, "short", line.receipt_fen)
    _note(kept.planted_account, "short", -line.order.fee_fen)


def _retime(order: Order, paid_at: datetime) -> None:
    order.paid_at = paid_at
    order.received_at = [paid_at + timedelta(milliseconds=500)]


def _before_the_log(kept: Books, order: Order, first_day: date) -> None:
    """A trade bill of a day before the first message, and no account bill of that day."""
    day = first_day - timedelta(days=10)
    at = datetime.combine(day, time(12))
    early = replace(order, number=order.number + 80_000_000, created_at=at, paid_at=at)
    kept.billed[day] = [Line(early, None)]
    _note(kept.planted, "long", order.amount_fen)
    _note(kept.planted_account, "bill_missing", order.amount_fen - order.discount_fen)
    _note(kept.planted_account, "bill_missing", -order.fee_fen)


def _withdrawn(kept: Books, order: Order, day: date) -> None:
    """A movement outside trades: no item."""
    at = datetime.combine(day, time(6))
    outside = replace(order, number=order.number + 70_000_000, created_at=at, paid_at=at)
    kept.moved[day].insert(0, Moved(outside, None, [("提现", -5000)]))

"""The gateway's trades as lines of the channel's bills, and the bills made of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sample_data import files, merchant
from sample_data.gateway.ledger import Refund, Settlement, Trade


class BilledOrder(merchant.Order):
    """A trade in the shape the bill writers read; its numbers are the gateway's own."""

    __slots__ = ("trade",)

    def __init__(self, trade: Trade) -> None:
        super().__init__(
            number=0, created_at=trade.created_at, product=trade.product, client="",
            store=trade.store or None, campaign=None, buyer=trade.buyer,
            items=[("", trade.subject, 1, trade.amount_fen)], amount_fen=trade.amount_fen,
            expires_at=trade.expires_at, outcome="", paid_at=trade.paid_at, fee_fen=trade.fee_fen,
        )
        self.trade = trade

    @property
    def order_no(self) -> str:
        """The shop's number."""
        return self.trade.order_no

    @property
    def trade_no(self) -> str:
        """The channel's number."""
        return self.trade.trade_no


@dataclass(slots=True)
class StatementLine(files.Line):
    """A payment, a refund or a settlement of the gateway as a bill shows it."""

    moved_at: datetime
    fee_given_back_fen: int = 0
    settlement: Settlement | None = None
    position: int = 0

    @property
    def at(self) -> datetime:
        """When the money moved."""
        return self.moved_at

    @property
    def fee_fen(self) -> int:
        """What the channel takes (positive) or gives back (negative)."""
        return -self.fee_given_back_fen if self.refund else self.order.fee_fen

    @property
    def serial(self) -> str:
        """Number of the account's movement, unique among all trades."""
        kind = "3" if self.settlement else "2" if self.refund else "1"
        return f"{kind}{self.order.trade_no[8:]}{self.position:02d}"

    @property
    def moves(self) -> list[tuple[str, int]]:
        """Kind and signed amount of each movement of the account."""
        if self.settlement:
            return [("交易分账", -self.settlement.amount_fen)]
        kinds = ("交易退款", "退费") if self.refund else ("在线支付", "收费")
        moves = [(kinds[0], self.amount_fen)]
        return [*moves, (kinds[1], -self.fee_fen)] if self.fee_fen else moves


def lines_of(trade: Trade) -> Iterator[StatementLine]:
    """Every movement of a paid trade."""
    if trade.paid_at is None:
        return
    order = BilledOrder(trade)
    yield StatementLine(order, None, trade.paid_at)
    for at, refund in enumerate(trade.refunds):
        yield _refund_line(order, refund, at)
    for at, settlement in enumerate(trade.settlements):
        yield StatementLine(
            order, None, settlement.at, settlement=settlement, position=at
        )


def _refund_line(order: BilledOrder, refund: Refund, at: int) -> StatementLine:
    shown = merchant.Refund(refund.number, refund.amount_fen, refund.at, refund.at)
    return StatementLine(
        order, shown, refund.at, fee_given_back_fen=refund.fee_fen, position=at
    )


def lines_between(trades: Iterable[Trade], start: datetime, end: datetime) -> list[StatementLine]:
    """Movements from `start` up to before `end`, in order of time."""
    found = [
        line
        for trade in trades
        if trade.paid_at is not None and trade.paid_at < end
        for line in lines_of(trade)
        if start <= line.at < end
    ]
    return sorted(found, key=lambda line: line.at)


def statement(
    kind: str, stamp: str, first: date, last: date, lines: Sequence[StatementLine]
) -> bytes:
    """The zip of a bill (`trade` or `signcustomer`); a day without lines has 0笔 in its totals."""
    name = f"{files.ACCOUNT}_{stamp}"
    if kind == "trade":
        shown = [line for line in lines if line.settlement is None]
        members = [
            (f"{name}_业务明细(汇总).csv", files.trade_summary(first, last, shown)),
            (f"{name}_业务明细.csv", files.trade_bill(first, last, shown)),
        ]
    else:
        members = [(f"{name}_账务明细.csv", files.account_bill(first, last, lines))]
    sink = io.BytesIO()
    files.bill_zip(sink, members)
    return sink.getvalue()

"""The platform's books: trades, their refunds, and what its rules allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sample_data import merchant
from sample_data.files import Line
from sample_data.wechat_files import transaction_id

MOST_REFUNDS, SPACING, WINDOW = 50, timedelta(seconds=60), timedelta(days=365)
_FEE_PER_MILLE = 6


class Refused(Exception):
    """The platform says no: an HTTP status and a code."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


@dataclass(slots=True)
class Refund:
    """One refund; `state` as the channel writes it."""

    number: str
    amount_fen: int
    at: datetime
    state: str = "SUCCESS"
    reason: str = ""

    @property
    def refund_id(self) -> str:
        """The channel's number."""
        return f"50300{self.number[1:]:0>23}"


@dataclass(slots=True)
class Trade:
    """One trade; instants are China time."""

    order_no: str
    amount_fen: int
    created_at: datetime
    description: str = "保温杯"
    state: str = "NOTPAY"
    kind: str = "NATIVE"
    notify_url: str = ""
    attach: str = ""
    expires_at: datetime | None = None
    paid_at: datetime | None = None
    number: int = 0
    buyer: int = 1
    refunds: list[Refund] = field(default_factory=list)

    @property
    def refunded_fen(self) -> int:
        """What went back, or is on its way."""
        return sum(item.amount_fen for item in self.refunds if item.state != "CLOSED")

    @property
    def order(self) -> BilledOrder:
        """The trade as the writers of bills and messages know it."""
        return BilledOrder(self)

    def lines(self) -> Iterator[Line]:
        """Its movements, as a bill shows them; refunds that were taken on, however they stand."""
        if self.paid_at is None:
            return
        yield Line(self.order, None)
        for item in self.refunds:
            yield Line(self.order, merchant.Refund(item.number, item.amount_fen, item.at, item.at))

    def billed_states(self) -> dict[str, str]:
        """退款状态 of its refunds by number."""
        return {item.number: _BILLED_STATES.get(item.state, item.state) for item in self.refunds}


_BILLED_STATES = {"ABNORMAL": "CHANGE", "CLOSED": "FAIL"}


class BilledOrder(merchant.Order):
    """A trade in the shape the bill writers read; the order's number is the shop's own."""

    __slots__ = ("_order_no",)

    def __init__(self, trade: Trade) -> None:
        super().__init__(
            number=trade.number, created_at=trade.created_at, product="", client="", store=None,
            campaign=None, buyer=trade.buyer, items=[("", trade.description, 1, trade.amount_fen)],
            amount_fen=trade.amount_fen, expires_at=trade.expires_at, outcome="",
            paid_at=trade.paid_at, fee_fen=(trade.amount_fen * _FEE_PER_MILLE + 500) // 1000,
        )
        self._order_no = trade.order_no

    @property
    def order_no(self) -> str:
        """The shop's number."""
        return self._order_no


class Books:
    """All trades by the shop's number."""

    def __init__(self) -> None:
        self._trades: dict[str, Trade] = {}
        self.keep: Callable[[Trade, Refund], None] = _nowhere

    def __iter__(self) -> Iterator[Trade]:
        return iter(self._trades.values())

    def adopt(self, trade: Trade) -> None:
        """Take a trade as it is."""
        self._trades[trade.order_no] = trade

    def trade(self, order_no: str) -> Trade:
        """A trade. Raises Refused."""
        if order_no not in self._trades:
            raise Refused(404, "ORDER_NOT_EXIST", "订单不存在")
        return self._trades[order_no]

    def by_number(self, number: str) -> Trade:
        """A trade by the channel's number. Raises Refused."""
        for trade in self:
            if trade.paid_at is not None and transaction_id(trade.order) == number:
                return trade
        raise Refused(404, "ORDER_NOT_EXIST", "订单不存在")

    def place(self, trade: Trade) -> Trade:
        """Take an order. The same order twice is one; other details under its number are refused."""
        known = self._trades.get(trade.order_no)
        if known is None:
            trade.number = len(self._trades) + 1
            return self._trades.setdefault(trade.order_no, trade)
        if known.state in ("SUCCESS", "REFUND"):
            raise Refused(400, "ORDERPAID", "该订单已支付")
        if (known.amount_fen, known.description) != (trade.amount_fen, trade.description):
            raise Refused(403, "OUT_TRADE_NO_USED", "商户订单号重复")
        return known

    def pay(self, trade: Trade, at: datetime) -> None:
        """The buyer pays. Raises Refused."""
        if trade.state != "NOTPAY" or (trade.expires_at and at >= trade.expires_at):
            raise Refused(400, "ORDER_CLOSED", "订单已关闭")
        trade.state, trade.paid_at = "SUCCESS", at.replace(microsecond=0)

    def close(self, trade: Trade) -> None:
        """The shop closes an unpaid order. Raises Refused."""
        if trade.paid_at is not None:
            raise Refused(400, "ORDER_PAID", "该订单已支付")
        trade.state = "CLOSED"

    def refund(self, trade: Trade, wanted: Refund, total_fen: int) -> Refund:
        """Give money back, once for each number. Raises Refused."""
        for known in trade.refunds:
            if known.number == wanted.number:
                if known.amount_fen != wanted.amount_fen:
                    raise Refused(400, "INVALID_REQUEST", "订单号和退款单号不匹配或金额不一致")
                return known
        self._check(trade, wanted, total_fen)
        trade.refunds.append(wanted)
        trade.state = "REFUND"
        self.keep(trade, wanted)
        return wanted

    def _check(self, trade: Trade, wanted: Refund, total_fen: int) -> None:
        if trade.paid_at is None:
            raise Refused(400, "TRADE_STATE_ERROR", "订单状态错误")
        if total_fen != trade.amount_fen:
            raise Refused(400, "PARAM_ERROR", "订单金额不一致")
        if not 0 < wanted.amount_fen <= trade.amount_fen - trade.refunded_fen:
            raise Refused(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致")
        if wanted.at - trade.paid_at > WINDOW:
            raise Refused(400, "INVALID_REQUEST", "订单已过退款期限")
        if len(trade.refunds) >= MOST_REFUNDS:
            raise Refused(400, "INVALID_REQUEST", "部分退款次数已达上限")
        if trade.refunds and wanted.at - trade.refunds[-1].at < SPACING:
            raise Refused(429, "FREQUENCY_LIMITED", "频率超限")

    def refund_of(self, number: str) -> tuple[Trade, Refund]:
        """A refund and its trade. Raises Refused."""
        for trade in self:
            for refund in trade.refunds:
                if refund.number == number:
                    return trade, refund
        raise Refused(404, "RESOURCE_NOT_EXISTS", "退款单不存在")


def _nowhere(trade: Trade, made: Refund) -> None:
    """Nothing is remembered."""
    del trade, made

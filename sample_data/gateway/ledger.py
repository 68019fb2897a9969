"""The gateway's trades and money: who paid, what went back, what is left. Whole fen, no I/O.

Instants are the channel's: China time, naive. Rules and codes: Alipay's refund, close, cancel and
settle documents.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sample_data.gateway.refusals import business

WAITING, SUCCESS, FINISHED, CLOSED = (
    "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED",
)
REFUND_WINDOW = timedelta(days=365)
CANCEL_WINDOW = timedelta(hours=24)
OWN_TRADES = "22001499"


@dataclass(slots=True)
class Refund:
    """Money given back to a buyer; `fee_fen` is what the merchant gets back of the fee."""

    number: str
    amount_fen: int
    fee_fen: int
    at: datetime
    reason: str = ""


@dataclass(slots=True)
class Settlement:
    """Money of a trade shared with others."""

    number: str
    settle_no: str
    amount_fen: int
    at: datetime
    shares: list[tuple[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class Trade:
    """One order at the channel. The channel knows it as a trade once the buyer has reached it."""

    order_no: str
    trade_no: str
    amount_fen: int
    created_at: datetime
    subject: str = ""
    product: str = ""
    buyer: int = 0
    store: str = ""
    body: str = ""
    passback: str = ""
    notify_url: str = ""
    return_url: str = ""
    charset: str = "utf-8"
    sign_type: str = "RSA2"
    is_reached: bool = True
    status: str = WAITING
    expires_at: datetime | None = None
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    fee_fen: int = 0
    refunds: list[Refund] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)

    @property
    def refunded_fen(self) -> int:
        """All that went back to the buyer."""
        return sum(refund.amount_fen for refund in self.refunds)

    @property
    def settled_fen(self) -> int:
        """All that was shared with others."""
        return sum(settlement.amount_fen for settlement in self.settlements)

    @property
    def is_paid(self) -> bool:
        """Paid, whatever went back later."""
        return self.paid_at is not None

    @property
    def is_own(self) -> bool:
        """Made at this gateway, not taken from the sample merchant."""
        return self.trade_no[8:16] == OWN_TRADES

    @property
    def kept_fen(self) -> int:
        """What the trade has changed of the merchant's balance."""
        if not self.is_paid:
            return 0
        returned = sum(refund.amount_fen - refund.fee_fen for refund in self.refunds)
        return self.amount_fen - self.fee_fen - returned - self.settled_fen

    def refund(self, number: str) -> Refund | None:
        """The refund of this request number."""
        return next((refund for refund in self.refunds if refund.number == number), None)


def fee_of(amount_fen: int) -> int:
    """The channel's fee: 0.6 %, rounded half up."""
    return (amount_fen * 6 + 500) // 1000


class Ledger:
    """Every trade, and the merchant's balance. `saved` is told of each trade that changed."""

    def __init__(self, opening_fen: int, saved: Callable[[Trade], None] | None = None) -> None:
        self.opening_fen = opening_fen
        self.balance_fen = opening_fen
        self._saved = saved or (lambda _: None)
        self._by_order: dict[str, Trade] = {}
        self._by_trade: dict[str, Trade] = {}
        self._expiring: list[tuple[datetime, str]] = []
        self._born = 0

    def __iter__(self) -> Iterator[Trade]:
        return iter(self._by_order.values())

    def __len__(self) -> int:
        return len(self._by_order)

    def adopt(self, trade: Trade) -> None:
        """Take in a trade as it stands; one of the same order is replaced."""
        if before := self._by_order.get(trade.order_no):
            self.balance_fen -= before.kept_fen
            self._by_trade.pop(before.trade_no, None)
        self._by_order[trade.order_no] = trade
        self._by_trade[trade.trade_no] = trade
        self.balance_fen += trade.kept_fen
        if trade.status == WAITING and trade.expires_at:
            heapq.heappush(self._expiring, (trade.expires_at, trade.order_no))
        if trade.is_own:
            self._born = max(self._born, int(trade.trade_no[16:]))

    def place(self, trade: Trade) -> Trade:
        """A new order. Its trade number is made here."""
        self._born += 1
        trade.trade_no = f"{trade.created_at:%Y%m%d}{OWN_TRADES}{self._born:012d}"
        self.adopt(trade)
        self._saved(trade)
        return trade

    def order(self, order_no: str) -> Trade | None:
        """What is recorded under the shop's number, reached by the buyer or not."""
        return self._by_order.get(order_no)

    def find(self, order_no: str, trade_no: str) -> Trade:
        """The trade of these ids; the channel's number wins. Raises Refused."""
        trade = self._by_trade.get(trade_no) if trade_no else self._by_order.get(order_no)
        if trade is None or not trade.is_reached:
            raise business("ACQ.TRADE_NOT_EXIST")
        return trade

    def reach(self, trade: Trade) -> None:
        """The buyer has come to the cashier: now the trade exists."""
        if not trade.is_reached:
            trade.is_reached = True
            self._saved(trade)

    def pay(self, trade: Trade, at: datetime) -> None:
        """The buyer pays. Raises Refused for a trade that is paid or closed."""
        if trade.status == CLOSED:
            raise business("ACQ.TRADE_HAS_CLOSE")
        if trade.status != WAITING:
            raise business("ACQ.TRADE_HAS_SUCCESS")
        trade.is_reached = True
        trade.status, trade.paid_at = SUCCESS, at.replace(microsecond=0)
        trade.fee_fen = fee_of(trade.amount_fen)
        self.balance_fen += trade.kept_fen
        self._saved(trade)

    def refund(
        self, trade: Trade, number: str, amount_fen: int, at: datetime, reason: str = ""
    ) -> tuple[Refund, bool]:
        """Give money back; True if it moved now. The same number and amount moves it once only.

        Raises Refused, and then nothing has changed.
        """
        number = number or trade.order_no
        if amount_fen <= 0:
            raise business("ACQ.REFUND_FEE_ERROR")
        if known := trade.refund(number):
            if known.amount_fen != amount_fen:
                raise business("ACQ.DISCORDANT_REPEAT_REQUEST")
            return known, False
        self._check_refund(trade, number, amount_fen, at)
        before = trade.kept_fen
        made = Refund(number, amount_fen, _fee_back(trade, amount_fen), at, reason)
        trade.refunds.append(made)
        if trade.refunded_fen == trade.amount_fen:
            trade.status, trade.closed_at = CLOSED, at.replace(microsecond=0)
        self.balance_fen += trade.kept_fen - before
        self._saved(trade)
        return made, True

    def _check_refund(self, trade: Trade, number: str, amount_fen: int, at: datetime) -> None:
        if trade.status == WAITING:
            raise business("ACQ.TRADE_STATUS_ERROR")
        if trade.status == CLOSED:
            raise business("ACQ.TRADE_HAS_CLOSE")
        if trade.status == FINISHED or (trade.paid_at and at - trade.paid_at > REFUND_WINDOW):
            raise business("ACQ.TRADE_HAS_FINISHED")
        is_partial = amount_fen != trade.amount_fen
        if amount_fen > trade.amount_fen or (is_partial and number == trade.order_no):
            raise business("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
        if trade.refunded_fen + amount_fen > trade.amount_fen:
            raise business("ACQ.REASON_TRADE_REFUND_FEE_ERR")
        if self.balance_fen < amount_fen:
            raise business("ACQ.SELLER_BALANCE_NOT_ENOUGH")

    def close(self, trade: Trade, at: datetime) -> None:
        """End an unpaid trade. Raises Refused for any other."""
        if trade.status != WAITING:
            raise business("ACQ.TRADE_STATUS_ERROR")
        trade.status, trade.closed_at = CLOSED, at.replace(microsecond=0)
        self._saved(trade)

    def cancel(self, trade: Trade, at: datetime) -> tuple[str, bool]:
        """Close or give everything back: (`close` or `refund`, whether something changed)."""
        if trade.status == WAITING:
            self.close(trade, at)
            return "close", True
        if trade.status == CLOSED:
            return ("refund" if trade.is_paid else "close"), False
        if at - trade.created_at > CANCEL_WINDOW:
            raise business("ACQ.TRADE_CANCEL_TIME_OUT")
        if trade.refunds:
            raise business("ACQ.REASON_TRADE_REFUND_FEE_ERR")
        self.refund(trade, trade.order_no, trade.amount_fen, at)
        return "refund", True

    def settle(
        self, trade: Trade, number: str, shares: list[tuple[str, int]], at: datetime
    ) -> Settlement:
        """Share a trade's money with others, once for each number. Raises Refused."""
        known = next((item for item in trade.settlements if item.number == number), None)
        if known is not None:
            if known.shares != shares:
                raise business("ACQ.DISCORDANT_REPEAT_REQUEST")
            return known
        if trade.status != SUCCESS:
            raise business("ACQ.TRADE_STATUS_ERROR")
        total = sum(amount for _, amount in shares)
        if min((amount for _, amount in shares), default=0) <= 0 or total > trade.kept_fen:
            raise business("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")
        settle_no = f"{at:%Y%m%d}0{trade.trade_no[8:]}{len(trade.settlements) + 1}"
        made = Settlement(number, settle_no, total, at, shares)
        trade.settlements.append(made)
        self.balance_fen -= total
        self._saved(trade)
        return made

    def expire(self, now: datetime) -> list[Trade]:
        """Close what was not paid in time; returns the trades the buyer had reached."""
        ended = []
        while self._expiring and self._expiring[0][0] <= now:
            _, order_no = heapq.heappop(self._expiring)
            trade = self._by_order[order_no]
            if trade.status == WAITING and trade.expires_at and trade.expires_at <= now:
                self.close(trade, trade.expires_at)
                if trade.is_reached:
                    ended.append(trade)
        return ended


def _fee_back(trade: Trade, amount_fen: int) -> int:
    """The fee's share of a refund; all refunds of a trade together give all of it back."""
    done = trade.refunded_fen
    share = trade.fee_fen * (done + amount_fen) // trade.amount_fen
    return share - trade.fee_fen * done // trade.amount_fen

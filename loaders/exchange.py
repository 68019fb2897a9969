"""Further records of asking a channel: orders to be paid, splits, bills, the account. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goods:
    """One line of an order's goods."""

    sku: str
    name: str
    quantity: int
    price_fen: int
    category: str = ""


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """An order to be paid. Empty texts are not sent; `expires_at` is naive UTC."""

    order_no: str
    amount_fen: int
    title: str
    product: str = ""
    description: str = ""
    expires_at: datetime | None = None
    notify_url: str = ""
    return_url: str = ""
    quit_url: str = ""
    auth_code: str = ""
    scene: str = ""
    payer_id: str = ""
    payer_open_id: str = ""
    seller_id: str = ""
    store: str = ""
    terminal: str = ""
    operator: str = ""
    passback: str = ""
    goods: tuple[Goods, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentCode:
    """What the buyer scans or the shop's page goes on with."""

    order_no: str
    qr_code: str | None = None
    trade_no: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """One receiver's part of a split (分账)."""

    receiver: str
    amount_fen: int
    receiver_type: str = "userId"
    receiver_name: str = ""
    payer: str = ""
    payer_type: str = ""
    scene: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SplitOrder:
    """A split of a paid trade's money among receivers."""

    split_no: str
    trade_no: str
    shares: tuple[Share, ...] = ()
    operator: str = ""
    is_async: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class SplitQuestion:
    """Which split is meant: the channel's number, or the trade's and ours."""

    settle_no: str = ""
    trade_no: str = ""
    split_no: str = ""


@dataclass(frozen=True, slots=True)
class SharePaid:
    """How one share of a split fared; `state` is the channel's SUCCESS, FAIL or PROCESSING."""

    state: str
    amount_fen: int
    receiver: str | None
    kind: str | None
    detail_no: str | None
    error_code: str | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class SplitState:
    """A split as the channel knows it."""

    split_no: str | None
    settle_no: str | None
    trade_no: str | None
    shares: tuple[SharePaid, ...] = ()


@dataclass(frozen=True, slots=True)
class BillQuestion:
    """Which bill is wanted: `kind` is trade or account, `period` YYYY-MM-DD or YYYY-MM."""

    kind: Literal["trade", "account"]
    period: str


@dataclass(frozen=True, slots=True)
class BillLink:
    """Where a bill lies for some seconds. `empty`: the channel says there was no trade.

    `sha1` is the digest of the unpacked file, where the channel gives one.
    """

    state: Literal["ready", "empty", "absent"]
    url: str | None = field(default=None, repr=False)
    sha1: str | None = None


@dataclass(frozen=True, slots=True)
class AccountQuestion:
    """Which entries of the account: a span of at most 31 days (naive UTC), or one order's."""

    start: datetime | None = None
    end: datetime | None = None
    order_no: str = ""
    trade_no: str = ""
    page: int = 1
    page_size: int = 2000


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One movement of the shop's balance; `amount_fen` is negative for what went out."""

    entry_no: str
    at: datetime
    amount_fen: int
    balance_fen: int | None = None
    order_no: str | None = None
    trade_no: str | None = None
    refund_no: str | None = None
    kind: str | None = None
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One page of the account's entries, and how many there are in all."""

    entries: tuple[AccountEntry, ...]
    page: int
    total: int


@dataclass(frozen=True, slots=True)
class BalanceQuestion:
    """The shop's own balance, now."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The shop's balance."""

    total_fen: int | None
    available_fen: int
    frozen_fen: int | None
    settling_fen: int | None

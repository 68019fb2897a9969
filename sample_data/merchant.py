"""A deterministic shop over 14 months, with known conversion, failures, delays and refunds."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property

MONTHS_DAYS = 425
EXPIRY = timedelta(minutes=30)

PRODUCTS = (
    ("QUICK_MSECURITY_PAY", ("ios", "android"), 38),
    ("QUICK_WAP_WAY", ("h5",), 22),
    ("FACE_TO_FACE_PAYMENT", ("pos",), 16),
    ("QR_CODE_OFFLINE", ("pos",), 8),
    ("FAST_INSTANT_TRADE_PAY", ("web",), 16),
)
STORES = ("S01", "S02", "S03", "S04")
CATALOGUE = (
    ("A1", "手机壳", 3900), ("A2", "数据线", 2900), ("B1", "蓝牙耳机", 19900),
    ("B2", "充电宝", 12900), ("C1", "保温杯", 8800), ("C2", "雨伞", 5900), ("D1", "笔记本", 1500),
)
TASTES = (
    (("E1", "咖啡豆", 5900), ("E2", "滤纸", 1900), ("E3", "手冲壶", 9900), ("E4", "磨豆机", 12900)),
    (("F1", "猫粮", 6900), ("F2", "猫砂", 3900), ("F3", "逗猫棒", 1200), ("F4", "猫抓板", 2900)),
    (("G1", "高筋面粉", 2500), ("G2", "酵母", 900), ("G3", "烤盘", 4900), ("G4", "裱花袋", 1500)),
    (("H1", "花盆", 2200), ("H2", "营养土", 1800), ("H3", "种子", 800), ("H4", "喷壶", 1600)),
    (("I1", "瑜伽垫", 7900), ("I2", "弹力带", 2600), ("I3", "跳绳", 1900), ("I4", "护腕", 2100)),
    (("J1", "钢笔", 8900), ("J2", "墨水", 3200), ("J3", "书签", 600), ("J4", "信纸", 1100)),
)
"""Each buyer has one of these tastes and takes little of the others: who has one item of a taste is
about as many times likelier to have another of it as there are tastes."""
OWN_TASTE, ANY_TASTE = 0.6, 0.06
"""Of all orders, so many hold one item of the buyer's taste, and so many one of any."""
BOUGHT_TOGETHER = (("B1", "B2", 0.6), ("C2", "C1", 0.45))
"""Whoever takes the first also takes the second, with this chance beside pure luck."""
CONTROL_SHARE, CONTROL_LOST = 0.25, 0.2
"""Of the orders of members so many see no offer, and so many of these are given up for it."""
AUTUMN_DAYS, AUTUMN_SHARE, AUTUMN_WON = 45, 0.5, 0.9
"""The last days' campaign: its share of orders, and of those given up so many are paid after all."""
METHODS = {
    "QUICK_MSECURITY_PAY": "alipay.trade.app.pay",
    "QUICK_WAP_WAY": "alipay.trade.wap.pay",
    "FACE_TO_FACE_PAYMENT": "alipay.trade.pay",
    "QR_CODE_OFFLINE": "alipay.trade.precreate",
    "FAST_INSTANT_TRADE_PAY": "alipay.trade.page.pay",
}
FAILURES = (
    # class, share of all orders in thousandths, code, sub_code, source
    ("risk_rejected", 5, "40004", "ACQ.PAYMENT_REQUEST_HAS_RISK", "risk"),
    ("insufficient_funds", 16, "40004", "ACQ.BUYER_BALANCE_NOT_ENOUGH", "customer"),
    ("insufficient_funds", 6, "40004", "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH", "bank"),
    ("limit_exceeded", 7, "40004", "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "customer"),
    ("payer_restricted", 4, "40004", "ACQ.BUYER_ENABLE_STATUS_FORBID", "customer"),
    ("credential_invalid", 4, "40004", "ACQ.PAYMENT_AUTH_CODE_INVALID", "customer"),
    ("merchant_config", 2, "40002", "isv.invalid-signature", "merchant"),
    ("channel_error", 5, "40004", "ACQ.PAYMENT_FAIL", "bank"),
    ("timeout_unknown", 3, "20000", "isp.unknow-error", "channel"),
    ("unmapped", 2, "40004", "ACQ.SOMETHING_NEW", "unknown"),
)
CLOSED_BY_MERCHANT, CANCELLED, ABANDONED, PAID_LATE = 6, 24, 62, 2
LADDER_S = (240, 840, 1440, 5040)


@dataclass(slots=True)
class Attempt:
    """One try to pay. `at` is shop-local; `failed_for` the class it failed with."""

    at: datetime
    code: str | None
    sub_code: str | None
    elapsed_ms: int
    reached: bool = True
    failed_for: str | None = None
    source: str | None = None


@dataclass(slots=True)
class Refund:
    """One refund, asked for and done; instants shop-local."""

    number: str
    amount_fen: int
    requested_at: datetime
    done_at: datetime


@dataclass(slots=True)
class Order:
    """One order and everything that truly became of it. Instants are shop-local and naive."""

    number: int
    created_at: datetime
    product: str
    client: str
    store: str | None
    campaign: str | None
    buyer: int
    items: list[tuple[str, str, int, int]]
    amount_fen: int
    expires_at: datetime | None
    outcome: str
    attempts: list[Attempt] = field(default_factory=list)
    closed_by: str | None = None
    closed_at: datetime | None = None
    paid_at: datetime | None = None
    received_at: list[datetime] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    fee_fen: int = 0
    group: str | None = None
    discount_fen: int = 0

    @property
    def consent(self) -> bool | None:
        """Whether the buyer agreed to be written to; some were never asked."""
        return (True, True, True, True, True, True, False, False, None, None)[self.buyer % 10]

    @property
    def order_no(self) -> str:
        """The shop's number."""
        return f"M{self.created_at:%Y%m%d}{self.number:08d}"

    @property
    def trade_no(self) -> str:
        """The channel's number, 28 digits."""
        return f"{self.created_at:%Y%m%d}22001400000{self.number:09d}"

    @property
    def due_at(self) -> datetime:
        """When the order counts as decided (METRICS D1)."""
        return self.expires_at or self.created_at + timedelta(hours=24)

    @property
    def is_paid(self) -> bool:
        """Paid at all, in time or late."""
        return self.paid_at is not None


class Merchant:
    """A shop of `orders` orders that ends with `last_day`; the same seed gives the same shop."""

    def __init__(self, seed: int = 1, orders: int = 12_000, last_day: date | None = None) -> None:
        self.seed = seed
        self.size = orders
        self.last_day = last_day or date(2026, 10, 31)
        self.first_day = self.last_day - timedelta(days=MONTHS_DAYS - 1)

    @cached_property
    def outage(self) -> tuple[datetime, datetime]:
        """Two hours in which mobile web got no answer from the channel."""
        day = self.last_day - timedelta(days=9)
        return datetime.combine(day, time(14)), datetime.combine(day, time(16))

    @cached_property
    def slow_afternoon(self) -> tuple[datetime, datetime]:
        """Five hours in which our endpoint failed first and notifications came by retry."""
        day = self.last_day - timedelta(days=4)
        return datetime.combine(day, time(13)), datetime.combine(day, time(18))

    @cached_property
    def failing_bank(self) -> tuple[datetime, datetime]:
        """Three days in which a bank refused many in-app payments."""
        day = self.last_day - timedelta(days=17)
        return datetime.combine(day, time()), datetime.combine(day + timedelta(days=3), time())

    def quotas(self) -> dict[date, int]:
        """Orders of each day: growth, the week's rhythm, and a sale; they sum to the size."""
        days = [self.first_day + timedelta(days=at) for at in range(MONTHS_DAYS)]
        weights = [self._weight(day, at) for at, day in enumerate(days)]
        scale = self.size / sum(weights)
        quotas, carried = {}, 0.0
        for day, weight in zip(days, weights, strict=True):
            exact = weight * scale + carried
            quotas[day] = int(exact)
            carried = exact - int(exact)
        quotas[days[-1]] += self.size - sum(quotas.values())
        return quotas

    def _weight(self, day: date, at: int) -> float:
        week = (0.92, 0.9, 0.95, 1.0, 1.15, 1.3, 1.2)[day.weekday()]
        sale = 2.6 if (day.month, day.day) in ((11, 11), (6, 18)) else 1.0
        return week * sale * (0.8 + 0.4 * at / MONTHS_DAYS)

    def orders(self) -> Iterator[Order]:
        """Every order by day of creation."""
        number = 0
        for day, quota in self.quotas().items():
            chance = random.Random(f"{self.seed}:{self.size}:{day}")
            for moment in sorted(_moment(chance, day, at) for at in range(quota)):
                yield self._order(chance, number, moment)
                number += 1

    def _order(self, chance: random.Random, number: int, created_at: datetime) -> Order:
        own = random.Random(f"{self.seed}:{self.size}:own:{number}")
        product, clients, _ = chance.choices(PRODUCTS, [p[2] for p in PRODUCTS])[0]
        items = _with_companions(own, _basket(chance))
        in_store = clients == ("pos",)
        order = Order(
            number=number,
            created_at=created_at,
            product=product,
            client=chance.choice(clients),
            store=chance.choices(STORES, (5, 3, 2, 1))[0] if in_store else None,
            campaign=_campaign(chance, created_at) or self._autumn(own, created_at),
            buyer=self._buyer(chance),
            items=items,
            amount_fen=sum(count * price for _, _, count, price in items),
            expires_at=None if chance.random() < 0.05 else created_at + EXPIRY,
            outcome="paid",
        )
        self._decide(chance, order)
        _indulge(random.Random(f"{self.seed}:{self.size}:taste:{number}"), order)
        self._offer(own, order)
        if order.paid_at is not None:
            self._notify(chance, order)
            self._refund(chance, order)
        return order

    def _autumn(self, own: random.Random, at: datetime) -> str | None:
        """The campaign that began when the shop had long been open: orders before it are like it."""
        has_begun = at.date() > self.last_day - timedelta(days=AUTUMN_DAYS)
        return "autumn" if has_begun and own.random() < AUTUMN_SHARE else None

    def _offer(self, own: random.Random, order: Order) -> None:
        """What a campaign does: something off, and more who pay; a control group sees no offer."""
        is_tested = order.campaign in ("member", "autumn")
        if is_tested and own.random() < CONTROL_SHARE:
            order.group = "control"
        if order.campaign in ("double11", "618"):
            order.discount_fen = order.amount_fen // 10
        elif order.campaign == "autumn" and order.group is None:
            order.discount_fen = order.amount_fen // 20
            if order.outcome in ("user_abandoned", "user_cancelled") and own.random() < AUTUMN_WON:
                self._win(own, order)
        elif order.group and order.paid_at is not None and order.campaign == "member":
            self._tempt(own, order)

    def _tempt(self, own: random.Random, order: Order) -> None:
        """A member who sees no offer may give the order up."""
        if own.random() < CONTROL_LOST:
            order.paid_at, order.attempts = None, []
            self._abandon(own, order, order.created_at + timedelta(seconds=3))

    def _win(self, own: random.Random, order: Order) -> None:
        """The order is paid instead of given up."""
        order.outcome, order.attempts = "paid", []
        order.closed_by = order.closed_at = None
        self._pay(own, order, order.created_at + timedelta(seconds=3))

    def _buyer(self, chance: random.Random) -> int:
        """Few buyers come often, many once."""
        pool = max(50, self.size // 3)
        return min(pool - 1, int(pool * chance.random() ** 2.2))

    def _decide(self, chance: random.Random, order: Order) -> None:
        at = order.created_at + timedelta(milliseconds=chance.randint(400, 9_000))
        roll = chance.random() * 1000
        if _within(order, self.outage) and order.product == "QUICK_WAP_WAY":
            self._fail(chance, order, at, ("timeout_unknown", 0, "20000", "isp.unknow-error", "channel"))
            return
        if (
            _within(order, self.failing_bank)
            and order.product == "QUICK_MSECURITY_PAY"
            and chance.random() < 0.45
        ):
            self._fail(chance, order, at, ("channel_error", 0, "40004", "ACQ.PAYMENT_FAIL", "bank"))
            return
        for failure in FAILURES:
            roll -= failure[1]
            if roll < 0:
                self._fail(chance, order, at, failure)
                return
        for share, decide in (
            (CLOSED_BY_MERCHANT, self._close), (CANCELLED, self._cancel),
            (ABANDONED, self._abandon), (PAID_LATE, self._pay_late),
        ):
            roll -= share
            if roll < 0:
                decide(chance, order, at)
                return
        self._pay(chance, order, at)

    def _fail(
        self, chance: random.Random, order: Order, at: datetime,
        failure: tuple[str, int, str, str, str],
    ) -> None:
        reason, _, code, sub_code, source = failure
        order.outcome = reason
        order.attempts.append(
            Attempt(at, code, sub_code, chance.randint(90, 900), True, reason, source)
        )
        if reason != "timeout_unknown" and chance.random() < 0.25:
            again = at + timedelta(seconds=chance.randint(10, 60))
            order.attempts.append(
                Attempt(again, code, sub_code, chance.randint(90, 900), True, reason, source)
            )

    def _close(self, chance: random.Random, order: Order, at: datetime) -> None:
        order.outcome, order.closed_by = "closed_by_merchant", "merchant"
        order.closed_at = at + timedelta(seconds=chance.randint(60, 900))

    def _cancel(self, chance: random.Random, order: Order, at: datetime) -> None:
        order.outcome, order.closed_by = "user_cancelled", "buyer"
        order.attempts.append(Attempt(at, "10000", None, chance.randint(60, 400)))
        order.closed_at = at + timedelta(seconds=chance.randint(5, 600))

    def _abandon(self, chance: random.Random, order: Order, at: datetime) -> None:
        order.outcome = "user_abandoned"
        if chance.random() < 0.7:
            order.attempts.append(Attempt(at, "10000", None, chance.randint(60, 400)))
        if order.expires_at and chance.random() < 0.5:
            order.closed_by, order.closed_at = "timeout", order.expires_at

    def _pay_late(self, chance: random.Random, order: Order, at: datetime) -> None:
        order.outcome = "paid_late"
        order.attempts.append(Attempt(at, "10000", None, chance.randint(60, 400)))
        order.paid_at = _second(order.due_at + timedelta(seconds=chance.randint(5, 300)))

    def _pay(self, chance: random.Random, order: Order, at: datetime) -> None:
        if chance.random() < 0.04:
            _, _, code, sub_code, source = chance.choice(FAILURES[1:4])
            reason = next(f[0] for f in FAILURES if f[3] == sub_code)
            order.attempts.append(
                Attempt(at, code, sub_code, chance.randint(90, 900), True, reason, source)
            )
            at += timedelta(seconds=chance.randint(15, 90))
        elif chance.random() < 0.01:
            order.attempts.append(Attempt(at, None, None, 3000, False, "channel_error", "unknown"))
            at += timedelta(seconds=chance.randint(5, 20))
        order.attempts.append(Attempt(at, "10000", None, chance.randint(60, 700)))
        wait = min(1200.0, math.exp(chance.gauss(2.6, 0.8)) + 1.0)
        order.paid_at = _second(at + timedelta(seconds=wait))

    def _notify(self, chance: random.Random, order: Order) -> None:
        assert order.paid_at is not None
        roll = chance.random()
        if roll < 0.004:
            return
        quick = order.paid_at + timedelta(milliseconds=int(math.exp(chance.gauss(6.6, 0.6))) + 80)
        if self.slow_afternoon[0] <= order.paid_at < self.slow_afternoon[1]:
            rung = chance.choice(LADDER_S[:3])
            order.received_at = [order.paid_at + timedelta(seconds=rung + chance.random())]
        elif roll < 0.012:
            order.received_at = [order.paid_at + timedelta(seconds=LADDER_S[0] + chance.random())]
        elif roll < 0.022:
            order.received_at = [quick, order.paid_at + timedelta(seconds=LADDER_S[0])]
        else:
            order.received_at = [quick]
        order.fee_fen = ((order.amount_fen - order.discount_fen) * 6 + 500) // 1000

    def _refund(self, chance: random.Random, order: Order) -> None:
        assert order.paid_at is not None
        order.fee_fen = ((order.amount_fen - order.discount_fen) * 6 + 500) // 1000
        if chance.random() > 0.035:
            return
        asked = order.paid_at + timedelta(hours=chance.expovariate(1 / 60), minutes=5)
        done = _second(asked + timedelta(seconds=chance.randint(1, 20)))
        is_full = chance.random() < 0.7 or order.amount_fen < 200
        amount = order.amount_fen if is_full else order.amount_fen // 2
        if done.date() <= self.last_day:
            order.refunds.append(Refund(f"R{order.number:09d}", amount, asked, done))


def _moment(chance: random.Random, day: date, at: int) -> datetime:
    """A time of day with the shop's rhythm; two orders a day stand at its edges."""
    edges = (time(0, 30), time(23, 50))
    if at < 2:
        return datetime.combine(day, edges[at], ) + timedelta(milliseconds=chance.randint(0, 999))
    weights = (2, 1, 1, 1, 1, 2, 4, 8, 10, 12, 14, 16, 18, 14, 12, 12, 13, 15, 18, 22, 24, 20, 12, 5)
    hour = chance.choices(range(24), weights)[0]
    return datetime.combine(day, time(hour)) + timedelta(milliseconds=chance.randrange(3_600_000))


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _within(order: Order, span: tuple[datetime, datetime]) -> bool:
    return span[0] <= order.created_at < span[1]


def _campaign(chance: random.Random, at: datetime) -> str | None:
    if (at.month, at.day) == (11, 11) and chance.random() < 0.7:
        return "double11"
    if (at.month, at.day) == (6, 18) and chance.random() < 0.7:
        return "618"
    return "member" if chance.random() < 0.08 else None


def _with_companions(
    own: random.Random, items: list[tuple[str, str, int, int]]
) -> list[tuple[str, str, int, int]]:
    skus = {sku for sku, *_ in items}
    for first, second, share in BOUGHT_TOGETHER:
        if first in skus and second not in skus and own.random() < share:
            items.extend((sku, name, 1, price) for sku, name, price in CATALOGUE if sku == second)
    return items


def _indulge(own: random.Random, order: Order) -> None:
    """Put something to the buyer's taste into the order, too."""
    roll = own.random()
    if roll >= OWN_TASTE + ANY_TASTE:
        return
    at = order.buyer % len(TASTES) if roll < OWN_TASTE else own.randrange(len(TASTES))
    sku, name, price = own.choice(TASTES[at])
    order.items.append((sku, name, 1, price))
    order.amount_fen += price


def _basket(chance: random.Random) -> list[tuple[str, str, int, int]]:
    chosen = chance.sample(CATALOGUE, chance.choices((1, 2, 3), (7, 2, 1))[0])
    return [(sku, name, chance.choices((1, 2), (9, 1))[0], price) for sku, name, price in chosen]

"""The files a channel and a checkout would write about the sample merchant."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

from loaders.channels.alipay.signing import notification_string, read_private_key, sign
from sample_data.merchant import METHODS, Merchant, Order, Refund

APP_ID = "2021000000000001"
SELLER_ID = "2088000000000011"
ACCOUNT = SELLER_ID + "0156"
TRADE_HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
ACCOUNT_HEADER = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
    "账户余额（元）,交易渠道,业务类型,备注"
)
_DASHES = "-" * 40
Progress = Callable[[float], None]


@dataclass(slots=True)
class Line:
    """A payment or a refund as a bill shows it. Amounts are signed as the bill signs them."""

    order: Order
    refund: Refund | None

    @property
    def at(self) -> datetime:
        """When the money moved, shop-local."""
        at = self.refund.done_at if self.refund else self.order.paid_at
        assert at is not None
        return at

    @property
    def amount_fen(self) -> int:
        """Positive for a payment, negative for a refund."""
        return -self.refund.amount_fen if self.refund else self.order.amount_fen

    @property
    def discount_fen(self) -> int:
        """What the shop gave off the payment; of a refund, that part of it (negative)."""
        if not self.refund:
            return self.order.discount_fen
        return -(self.order.discount_fen * self.refund.amount_fen // self.order.amount_fen)

    @property
    def receipt_fen(self) -> int:
        """What the shop gets (positive) or gives back (negative)."""
        return self.amount_fen - self.discount_fen

    @property
    def fee_fen(self) -> int:
        """What the channel takes (positive) or gives back (negative)."""
        if not self.refund:
            return self.order.fee_fen
        return -(self.order.fee_fen * self.refund.amount_fen // self.order.amount_fen)

    @property
    def serial(self) -> str:
        """Number of the account's movement, without its day."""
        return f"2{self.refund.number[1:]}" if self.refund else f"1{self.order.number:09d}"

    @property
    def moves(self) -> list[tuple[str, int]]:
        """Kind and signed amount of each movement of the account."""
        moves = [("在线支付" if not self.refund else "交易退款", self.receipt_fen)]
        if self.fee_fen:
            moves.append(("收费" if not self.refund else "退费", -self.fee_fen))
        return moves


def yuan(fen: int) -> str:
    """Fen as a bill writes yuan."""
    sign_ = "-" if fen < 0 else ""
    return f"{sign_}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def bill_lines(orders: Iterable[Order]) -> dict[date, list[Line]]:
    """Payments and refunds by the day a bill shows them."""
    days: dict[date, list[Line]] = defaultdict(list)
    for order in orders:
        if order.paid_at is not None:
            days[order.paid_at.date()].append(Line(order, None))
        for refund in order.refunds:
            days[refund.done_at.date()].append(Line(order, refund))
    for lines in days.values():
        lines.sort(key=lambda line: line.at)
    return dict(days)


def trade_bill(first: date, last: date, lines: Sequence[Line]) -> bytes:
    """业务明细 of inclusive days, as the channel writes it (GBK, CRLF, tabs, footer totals)."""
    rows = []
    for line in lines:
        order, amount = line.order, yuan(line.amount_fen)
        store = order.store or ""
        number = line.refund.number if line.refund else ""
        rows.append(
            f"{order.trade_no}\t,{order.order_no}\t,{'退款' if line.refund else '交易'}\t,"
            f"{order.items[0][1]},{_stamp(order.created_at)},{_stamp(line.at)},{store}\t,"
            f"{'示例门店' + store if store else ''}\t,\t,\t,*某(138****0000)\t,{amount},"
            f"{yuan(line.receipt_fen)},0.00,0.00,0.00,{yuan(line.discount_fen)},0.00,,0.00\t,0.00,{number}\t,{yuan(-line.fee_fen)},0.00,"
        )
    pays = [line for line in lines if not line.refund]
    backs = [line for line in lines if line.refund]
    footer = [
        f"#交易合计：{len(pays)}笔，商家实收共{yuan(sum(x.receipt_fen for x in pays))}元，"
        f"商家优惠共{yuan(sum(x.discount_fen for x in pays))}元",
        f"#退款合计：{len(backs)}笔，商家实收退款共{yuan(sum(x.receipt_fen for x in backs))}元，"
        f"商家优惠退款共{yuan(sum(x.discount_fen for x in backs))}元",
    ]
    return _framed("业务明细", first, last, TRADE_HEADER, rows, footer)


def trade_summary(first: date, last: date, lines: Sequence[Line]) -> bytes:
    """业务明细(汇总) beside a trade bill."""
    pays = sum(1 for line in lines if not line.refund)
    total = yuan(sum(line.amount_fen for line in lines))
    receipt = sum(line.receipt_fen for line in lines)
    discount = yuan(sum(line.discount_fen for line in lines))
    fee = yuan(-sum(line.fee_fen for line in lines))
    header = (
        "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,"
        "商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
    )
    row = (
        f"合计\t,\t,{pays},{len(lines) - pays},{total},{yuan(receipt)},0.00,{discount},0.00,{fee},0.00,"
        f"{yuan(receipt - sum(line.fee_fen for line in lines))}"
    )
    return _framed("业务汇总", first, last, header, [row], [])


def account_bill(first: date, last: date, lines: Sequence[Line], balance: int = 10_000_00) -> bytes:
    """账务明细: each payment, refund and fee as a movement of an account of this opening balance."""
    rows: list[str] = []
    income: list[int] = []
    expense: list[int] = []
    for line in lines:
        for at, (kind, fen) in enumerate(line.moves):
            balance += fen
            (income if fen > 0 else expense).append(fen)
            rows.append(
                f"{line.at:%Y%m%d}{line.serial}{at}\t,"
                f"{line.order.trade_no}\t,{line.order.order_no}\t,{line.order.items[0][1]}\t,"
                f"{_stamp(line.at)},138****0000\t,{yuan(max(fen, 0))},{yuan(min(fen, 0))},"
                f"{yuan(balance)},支付宝,{kind},\t"
            )
    footer = [
        f"#支出合计：{len(expense)}笔，共{yuan(sum(expense))}元",
        f"#收入合计：{len(income)}笔，共{yuan(sum(income))}元",
    ]
    return _framed("账务明细", first, last, ACCOUNT_HEADER, rows, footer)


def _framed(
    title: str, first: date, last: date, header: str, rows: Sequence[str], footer: Sequence[str]
) -> bytes:
    end = last + timedelta(days=1)
    lines = [
        f"#支付宝{title}查询",
        f"#账号：[{ACCOUNT}]",
        f"#起始日期：[{first:%Y年%m月%d日} 00:00:00]   终止日期：[{end:%Y年%m月%d日} 00:00:00]",
        f"#{_DASHES}{title}列表{_DASHES}",
        header,
        *rows,
        f"#{_DASHES}{title}列表结束{_DASHES}",
        *footer,
        f"#导出时间：[{end:%Y年%m月%d日} 05:46:49]",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("gb18030")


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


class _GbkName(zipfile.ZipInfo):
    """A member whose name is GBK bytes without the UTF-8 flag, as the channel writes it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode("gb18030"), self.flag_bits & ~0x800


def bill_zip(path: Path | BinaryIO, members: Sequence[tuple[str, bytes]]) -> None:
    """A bill's archive; the summary comes first."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = _GbkName(name, date_time=(2026, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def checkout_events(order: Order) -> list[dict[str, object]]:
    """What the shop's checkout logged of an order."""
    events: list[dict[str, object]] = [
        {
            "event": "order", "order_no": order.order_no, "at": _iso(order.created_at),
            "channel": "alipay", "product": order.product, "amount": yuan(order.amount_fen),
            "expires_at": _iso(order.expires_at) if order.expires_at else None,
            "client": order.client, "store": order.store, "campaign": order.campaign,
            "buyer": f"u-{order.buyer}", "group": order.group, "consent": order.consent,
            "items": [
                {"sku": sku, "name": name, "qty": count, "price": yuan(price)}
                for sku, name, count, price in order.items
            ],
        }
    ]
    for number, attempt in enumerate(order.attempts, start=1):
        events.append(
            {
                "event": "attempt", "order_no": order.order_no, "attempt": number,
                "at": _iso(attempt.at), "method": METHODS[order.product],
                "reached_channel": attempt.reached, "code": attempt.code,
                "sub_code": attempt.sub_code, "elapsed_ms": attempt.elapsed_ms,
            }
        )
    if order.closed_at:
        events.append(
            {
                "event": "close", "order_no": order.order_no, "at": _iso(order.closed_at),
                "by": order.closed_by,
            }
        )
    return events + [_refund_call(order, refund) for refund in order.refunds]


def _refund_call(order: Order, refund: Refund) -> dict[str, object]:
    return {
        "at": _iso(refund.requested_at),
        "method": "alipay.trade.refund",
        "request": {
            "out_trade_no": order.order_no, "refund_amount": yuan(refund.amount_fen),
            "out_request_no": refund.number,
        },
        "response": {"code": "10000", "msg": "Success", "fund_change": "Y"},
        "elapsed_ms": 320,
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds") + "+08:00"


def notifications(order: Order) -> list[tuple[datetime, dict[str, str]]]:
    """Receipt time and unsigned fields of every message about an order."""
    found = [(at, _payment_fields(order, at)) for at in order.received_at]
    if order.received_at:
        for refund in order.refunds:
            at = refund.done_at + timedelta(milliseconds=700)
            found.append((at, _refund_fields(order, refund, at)))
    return found


def _payment_fields(order: Order, at: datetime) -> dict[str, str]:
    assert order.paid_at is not None
    amount = yuan(order.amount_fen)
    return {
        "gmt_create": _stamp(order.created_at), "charset": "utf-8", "gmt_payment": _stamp(order.paid_at),
        "notify_time": _stamp(at), "subject": order.items[0][1],
        "buyer_id": f"2088{order.buyer:012d}", "buyer_logon_id": "138****0000",
        "invoice_amount": amount, "version": "1.0",
        "notify_id": f"{order.paid_at:%Y%m%d}00222{order.number:021d}",
        "notify_type": "trade_status_sync", "out_trade_no": order.order_no,
        "total_amount": amount, "trade_status": "TRADE_SUCCESS", "trade_no": order.trade_no,
        "auth_app_id": APP_ID, "app_id": APP_ID,
        "receipt_amount": yuan(order.amount_fen - order.discount_fen),
        "buyer_pay_amount": amount, "seller_id": SELLER_ID,
        "fund_bill_list": f'[{{"amount":"{amount}","fundChannel":"ALIPAYACCOUNT"}}]',
    }


def _refund_fields(order: Order, refund: Refund, at: datetime) -> dict[str, str]:
    is_full = refund.amount_fen == order.amount_fen
    fields = _payment_fields(order, at)
    fields.pop("fund_bill_list")
    return fields | {
        "trade_status": "TRADE_CLOSED" if is_full else "TRADE_SUCCESS",
        "refund_fee": yuan(refund.amount_fen), "out_biz_no": refund.number,
        "gmt_refund": f"{_stamp(refund.done_at)}.{refund.done_at.microsecond // 1000:03d}",
        "notify_id": f"{refund.done_at:%Y%m%d}00333{order.number:021d}",
    }


def signed_lines(
    key: bytes, messages: Sequence[tuple[datetime, dict[str, str]]]
) -> list[str]:
    """Lines of our receiver's log, each message signed as the channel signs."""
    private = read_private_key(key)
    lines = []
    for at, fields in messages:
        signature = sign(notification_string(fields).encode("utf-8"), private)
        body = urlencode({**fields, "sign_type": "RSA2", "sign": signature})
        lines.append(
            json.dumps(
                {"received_at": _iso(at), "channel": "alipay", "headers": {}, "body": body},
                ensure_ascii=False,
            )
        )
    return lines


def write_files(
    merchant: Merchant,
    folder: Path,
    channel_key: bytes,
    progress: Progress | None = None,
    daily_from: date | None = None,
    is_broken: bool = False,
) -> list[Order]:
    """Write every file of the merchant below `folder`; returns the orders they tell of.

    Bills come by month, and day by day from `daily_from` on (default: the last month's first day).
    Where `is_broken`, the last week's books have a break of each kind.
    """
    from sample_data.breaks import books, plant_week

    tell = progress or (lambda _: None)
    kept = books(merchant.orders())
    if is_broken:
        plant_week(kept, merchant.last_day)
    orders = kept.told
    for name in ("checkout", "notifications", "bills"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    tell(0.1)
    _write_checkout(orders, folder / "checkout")
    tell(0.2)
    _write_notifications(orders, folder / "notifications", channel_key, tell)
    _write_bills(merchant, kept.billed, kept.moved, folder / "bills", daily_from)
    tell(1.0)
    return orders


def _write_checkout(orders: Sequence[Order], folder: Path) -> None:
    months: dict[str, list[str]] = defaultdict(list)
    for order in orders:
        for event in checkout_events(order):
            months[f"{order.created_at:%Y-%m}"].append(json.dumps(event, ensure_ascii=False))
    for month, lines in months.items():
        (folder / f"checkout-{month}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _write_notifications(
    orders: Sequence[Order], folder: Path, key: bytes, tell: Progress
) -> None:
    messages = sorted(
        (message for order in orders for message in notifications(order)),
        key=lambda message: message[0],
    )
    size = 1_000
    chunks = [messages[at : at + size] for at in range(0, len(messages), size)]
    with (folder / "alipay.jsonl").open("w", encoding="utf-8") as file:
        for number, lines in enumerate(_signed(chunks, key), start=1):
            file.write("\n".join(lines) + "\n")
            tell(0.2 + 0.7 * number / len(chunks))


def _signed(
    chunks: Sequence[Sequence[tuple[datetime, dict[str, str]]]], key: bytes
) -> Iterable[list[str]]:
    if len(chunks) < 4:
        yield from (signed_lines(key, chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield from pool.map(signed_lines, [key] * len(chunks), chunks)


def _spans(merchant: Merchant, daily_from: date) -> Iterator[tuple[date, date, str]]:
    """First day, last day and name of each bill."""
    first = merchant.first_day
    while first < daily_from:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield first, min(following, daily_from) - timedelta(days=1), f"{first:%Y%m}"
        first = min(following, daily_from)
    while first <= merchant.last_day:
        yield first, first, f"{first:%Y%m%d}"
        first += timedelta(days=1)


def _of_days(days: Mapping[date, list[Line]], first: date, last: date) -> list[Line]:
    """Lines of inclusive days, in time order."""
    spanned = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    return [line for day in spanned for line in sorted(days.get(day, []), key=lambda line: line.at)]


def _write_bills(
    merchant: Merchant, billed: Mapping[date, list[Line]], moved: Mapping[date, list[Line]],
    folder: Path, daily_from: date | None,
) -> None:
    spans = _spans(merchant, daily_from or merchant.last_day.replace(day=1))
    balance = 10_000_00
    for first, last, stamp in spans:
        lines = _of_days(billed, first, last)
        movements = _of_days(moved, first, last)
        bill_zip(
            folder / f"{ACCOUNT}_{stamp}.csv.zip",
            [
                (f"{ACCOUNT}_{stamp}_业务明细(汇总).csv", trade_summary(first, last, lines)),
                (f"{ACCOUNT}_{stamp}_业务明细.csv", trade_bill(first, last, lines)),
            ],
        )
        bill_zip(
            folder / f"{ACCOUNT}_{stamp}_account.csv.zip",
            [(f"{ACCOUNT}_{stamp}_账务明细.csv", account_bill(first, last, movements, balance))],
        )
        balance += sum(fen for line in movements for _, fen in line.moves)

"""UnionPay's reconciliation files (对账文件): ZM, the day's trades, and ZME, what was corrected.

A line has no year and no header; the file's name tells the clearing day (清算日), which goes from
23:00 of the day before to 23:00. Amounts are in fen, `C` is money for the shop and `D` from it;
where the letter is missing a fee is the shop's to pay, and given back with a refund.
Lines are turned into cells with headers of our choice, which the house's readers then read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from loaders.channels.protocol import BillField, Sample
from loaders.channels.unionpay.layouts import LAYOUTS
from loaders.channels.unionpay.layouts import cut as cut_line
from loaders.errors import RefusedInput
from loaders.records import EARLIEST, LATEST, BillFrame, Reject

COLUMNS: Mapping[str, Sequence[str]] = {
    "trade_bill": (
        "查询流水号", "商户订单号", "交易类型", "原始交易日期时间", "交易传输时间", "终端号", "交易金额",
        "退款订单号", "商户手续费", "商户自定义域",
    ),
    "account_bill": (
        "流水号", "交易传输时间", "收入金额", "支出金额", "交易代码", "上一笔交易的系统跟踪号",
        "上一笔交易",
    ),
}
"""The cells that lines are turned into."""

FIELDS: Mapping[str, Sequence[BillField]] = {
    "trade_bill": (
        BillField("trade_no", ("查询流水号",)),
        BillField("order_no", ("商户订单号",), required=True),
        BillField("type", ("交易类型",), required=True),
        BillField("created_at", ("原始交易日期时间",), "time"),
        BillField("finished_at", ("交易传输时间",), "time", required=True),
        BillField("terminal", ("终端号",)),
        BillField("order_fen", ("交易金额",), "money", required=True),
        BillField("receipt_fen", ("交易金额",), "money", required=True),
        BillField("refund_no", ("退款订单号",)),
        BillField("service_fen", ("商户手续费",), "fee"),
        BillField("note", ("商户自定义域",)),
    ),
    "account_bill": (
        BillField("log_no", ("流水号",), required=True),
        BillField("order_no", ()),
        BillField("finished_at", ("交易传输时间",), "time", required=True),
        BillField("income_fen", ("收入金额",), "money", required=True),
        BillField("expense_fen", ("支出金额",), "money", required=True),
        BillField("type", ("交易代码",), required=True),
        BillField("base_order_no", ("上一笔交易的系统跟踪号",)),
        BillField("description", ("上一笔交易",)),
    ),
}
_BACK = frozenset({"04", "31", "33"})
"""退货, 消费撤销 and 预授权完成撤销: money that goes back, of an earlier trade."""

KINDS: Mapping[str, Mapping[str, str]] = {
    "trade_bill": {
        "01": "payment", "03": "payment", "11": "payment", **dict.fromkeys(sorted(_BACK), "refund"),
    },
    "account_bill": {},
}
"""The channel's 交易类型 in our words; what is not listed, and every correction, is `other`."""

TIME_OFFSET_S = 28_800
"""Times in files are China time, written without a zone and without a year."""

CELL_PREFIX = "`"
"""Stands before every cell that `cut` makes, so that free text may hold commas."""

_FREE = frozenset({"二级商户简称", "商户自定义域", "保留使用"})
"""Free text: a name cut in the middle of a character costs that character, not the payment."""
_DAY_ENDS = timedelta(hours=23)
_CORRECTIONS = "-ZME"
_NAME = re.compile(r"INN(\d{6})\d{2}(ZME?)_([0-9A-Za-z]{15})")
_KINDS_OF_NAME = {"ZM": "trade_bill", "ZME": "account_bill"}
_ODD_LINE = "The line does not have the fields of a UnionPay file at their places."
_NOT_TEXT = "The row holds bytes that are no text in the bill's encoding."
_TRUNCATED = "The bill is cut off: its last line is incomplete. Download it again."
_NO_DAY = (
    "UnionPay's lines have no year: the file's name tells it. Give the file the name with which it"
    " was downloaded (INN…ZM_…)."
)


def encoding(sample: Sample) -> str:
    """GB18030, GBK's superset."""
    del sample
    return "gb18030"


def recognises(sample: Sample) -> str | None:
    """The kind of file by the places of a line's fields; an empty one by its name.

    Of a file so named the first line may be damaged: the last one tells then.
    """
    named = _NAME.search(sample.name)
    if not sample.size:
        return _KINDS_OF_NAME[named.group(2)] if named else None
    lines = (_first_line(sample), _last_line(sample)) if named else (_first_line(sample),)
    return next(
        (kind for line in lines for kind in LAYOUTS if cut_line(line, kind) is not None), None
    )


def _last_line(sample: Sample) -> bytes:
    return sample.tail.rstrip(b"\r\n").rsplit(b"\n", 1)[-1].rstrip(b"\r")


def _first_line(sample: Sample) -> bytes:
    return sample.head.split(b"\n", 1)[0].rstrip(b"\r")


def identity(sample: Sample) -> tuple[str | None, date | None, date | None]:
    """The merchant of the first line, and the clearing day that the name tells.

    Corrections are an account of their own: they are not all that moved in the merchant's.
    """
    named = _NAME.search(sample.name)
    kind = recognises(sample)
    fields = cut_line(_first_line(sample), kind) if kind and sample.size else None
    merchant = fields["商户代码"].decode("ascii") if fields else (named.group(3) if named else None)
    if merchant and kind == "account_bill":
        merchant += _CORRECTIONS
    day = _day(named.group(1)) if named else None
    return merchant, day, day


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%y%m%d").date()
    except ValueError:
        return None


def frame(sample: Sample, kind: str) -> BillFrame:
    """Identity and clearing day of a file. Raises RefusedInput without a year, or when cut off."""
    account, day, _ = identity(sample)
    if day is None:
        raise RefusedInput(_NO_DAY)
    if sample.size and cut_line(_last_line(sample), kind) is None:
        raise RefusedInput(_TRUNCATED)
    return BillFrame(
        kind=kind,
        account=account,
        first_day=day,
        last_day=day,
        exported_at=None,
        columns=tuple(COLUMNS[kind]),
        data_starts=0,
        data_ends=sample.size,
        data_line=1,
        billed_on=day,
        day_ends=_DAY_ENDS,
    )


def cut(rows: bytes, line: int, frame: BillFrame) -> tuple[bytes, list[Reject]]:
    """Lines as cells; one that has not its fields is left empty, and rejected."""
    made: list[bytes] = []
    rejects: list[Reject] = []
    for number, raw in enumerate(rows.removesuffix(b"\n").split(b"\n"), start=line):
        bare = raw.rstrip(b"\r")
        try:
            cells = _cells(bare, frame) if bare.strip() else None
        except UnicodeDecodeError:
            cells = None
            rejects.append(Reject(number, _NOT_TEXT))
        else:
            if cells is None and bare.strip():
                rejects.append(Reject(number, _ODD_LINE))
        made.append(b",".join(CELL_PREFIX.encode() + cell for cell in cells or ()))
    return b"\n".join(made) + b"\n", rejects


def _cells(line: bytes, frame: BillFrame) -> list[bytes] | None:
    fields = cut_line(line, frame.kind)
    if fields is None or frame.billed_on is None:
        return None
    text = {
        name: value.decode("gb18030", "ignore" if name in _FREE else "strict").replace("`", "'")
        for name, value in fields.items()
    }
    ends = datetime.combine(frame.billed_on, time()) + _DAY_ENDS
    made = _trade(text, ends) if frame.kind == "trade_bill" else _correction(text, ends)
    return [cell.encode("gb18030") for cell in made]


def _trade(text: Mapping[str, str], ends: datetime) -> Iterator[str]:
    """The cells of a trade. What goes back stands with the order and trade it goes back of."""
    kind, at = text["交易类型"], _instant(text["交易传输时间"], ends)
    is_back = kind in _BACK
    is_out = kind not in KINDS["trade_bill"] and text["结算金额"].startswith("D")
    sign = "-" if is_back or is_out else ""
    before = _instant(text["原始交易日期时间"], at) if is_back and at else None
    yield (text["原交易查询流水号"] if is_back else "") or text["查询流水号"]
    yield (text["原始交易订单号"] if is_back else "") or text["商户订单号"]
    yield kind
    yield _stamp(before) if before else ""
    yield _stamp(at) if at else text["交易传输时间"]
    yield text["终端号"]
    yield sign + _yuan(text["交易金额"])
    yield text["商户订单号"] if is_back else ""
    yield _signed(text["商户手续费"], "C" if is_back else "D")
    yield text["商户自定义域"]


def _correction(text: Mapping[str, str], ends: datetime) -> Iterator[str]:
    at, settled = _instant(text["交易传输时间"], ends), _signed(text["结算金额"], "C")
    yield f"{text['发送机构标识码']}{text['交易传输时间']}{text['系统跟踪号']}"
    yield _stamp(at) if at else text["交易传输时间"]
    yield "0.00" if settled.startswith("-") else settled
    yield settled if settled.startswith("-") else "0.00"
    yield text["交易代码"]
    yield text["上一笔交易的系统跟踪号"]
    yield f"{text['上一笔交易的日期时间']} {_yuan(text['上一笔交易金额'])}"


def _instant(text: str, before: datetime) -> datetime | None:
    """MMDDhhmmss in the year in which it lies last before an instant, a day's lateness allowed."""
    for year in (before.year + 1, before.year, before.year - 1):
        try:
            at = datetime.strptime(f"{year}{text}", "%Y%m%d%H%M%S")
        except ValueError:
            continue
        if EARLIEST <= at <= min(before + timedelta(days=1), LATEST):
            return at
    return None


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _yuan(digits: str) -> str:
    return f"{int(digits[:-2])}.{digits[-2:]}"


def _signed(text: str, unless_said: str) -> str:
    """C or D and digits of fen, as signed yuan: negative is what the shop pays."""
    letter = text[0] if text[:1] in ("C", "D") else unless_said
    yuan = _yuan(text.removeprefix(letter) or "000")
    return f"-{yuan}" if letter == "D" and yuan != "0.00" else yuan


def mend(cells: list[str], columns: Sequence[str]) -> list[str] | None:
    """Nothing to mend: a line either has its fields or is none."""
    del cells, columns
    return None


def check_summary(sample: Sample, totals: Mapping[str, int]) -> str | None:
    """Nothing: these files have no summary that is read."""
    del sample, totals
    return None

"""Alipay's merchant bills: 业务明细 (trade), 账务明细 (account) and their 汇总 (summaries).

Columns go by header text, never by position: several column sets are alive at once.
Source: bill documents and real files; see the notes on frames, tabs and totals there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from loaders.channels.protocol import RESAVED, BillField, Sample
from loaders.errors import RefusedInput
from loaders.records import EARLIEST, LATEST, BillFrame, Reject, fen_of_yuan

FIELDS: Mapping[str, Sequence[BillField]] = {
    "trade_bill": (
        BillField("trade_no", ("支付宝交易号",)),
        BillField("order_no", ("商户订单号",), required=True),
        BillField("type", ("业务类型",), required=True),
        BillField("subject", ("商品名称",)),
        BillField("created_at", ("创建时间",), "time"),
        BillField("finished_at", ("完成时间",), "time", required=True),
        BillField("store", ("门店编号",)),
        BillField("store_name", ("门店名称",)),
        BillField("operator", ("操作员",)),
        BillField("terminal", ("终端号",)),
        BillField("order_fen", ("订单金额(元)",), "money", required=True),
        BillField("receipt_fen", ("商家实收(元)",), "money", required=True),
        BillField("channel_red_packet_fen", ("支付宝红包(元)",), "money"),
        BillField("points_fen", ("集分宝(元)",), "money"),
        BillField("channel_discount_fen", ("支付宝优惠(元)",), "money"),
        BillField("merchant_discount_fen", ("商家优惠(元)",), "money"),
        BillField("voucher_fen", ("券核销金额(元)",), "money"),
        BillField("voucher_name", ("券名称",)),
        BillField("merchant_red_packet_fen", ("商家红包消费金额(元)",), "money"),
        BillField("card_fen", ("卡消费金额(元)",), "money"),
        BillField("refund_no", ("退款批次号/请求号", "退款批次号")),
        BillField("service_fen", ("服务费(元)",), "fee"),
        BillField("split_fen", ("分润(元)",), "fee"),
        BillField("note", ("备注",)),
    ),
    "account_bill": (
        BillField("log_no", ("账务流水号", "支付宝流水号"), required=True),
        BillField("trade_no", ("业务流水号", "支付宝交易号")),
        BillField("order_no", ("商户订单号",)),
        BillField("subject", ("商品名称",)),
        BillField("finished_at", ("发生时间", "入账时间"), "time", required=True),
        BillField("income_fen", ("收入金额(+元)", "收入(+元)"), "money", required=True),
        BillField("expense_fen", ("支出金额(-元)", "支出(-元)"), "money", required=True),
        BillField("balance_fen", ("账户余额(元)",), "money"),
        BillField("method", ("交易渠道", "支付渠道")),
        BillField("type", ("业务类型", "账务类型"), required=True),
        BillField("note", ("备注",)),
        BillField("base_order_no", ("业务基础订单号",)),
        BillField("business_order_no", ("业务订单号",)),
        BillField("source", ("业务账单来源",)),
        BillField("description", ("业务描述",)),
    ),
}

KINDS: Mapping[str, Mapping[str, str]] = {
    "trade_bill": {"交易": "payment", "退款": "refund"},
    "account_bill": {
        "在线支付": "payment",
        "交易付款": "payment",
        "交易退款": "refund",
        "退款（交易退款）": "refund",
        "退款": "refund",
        "收费": "fee",
        "退费": "fee",
        "服务费": "fee",
        "交易分账": "split",
        "分账": "split",
        "提现": "withdrawal",
        "充值": "top_up",
        "转账": "transfer",
    },
}
"""The channel's 业务类型 in our words; the set is open, what is not listed is `other`."""

TIME_OFFSET_S = 28_800
"""Times in bills are China time, written without a zone."""

CELL_PREFIX = ""

_ALWAYS_THERE = ("支付宝", "商户订单号", "收入笔数")
"""Words of which every bill holds one; bytes that show them as UTF-8 are UTF-8."""

_ANCHORS = {
    "#支付宝业务明细查询": "trade_bill",
    "#支付宝账务明细查询": "account_bill",
    "#支付宝业务汇总查询": "bill_summary",
    "#支付宝账务汇总查询": "bill_summary",
}
_TIME_COLUMNS = frozenset({"创建时间", "完成时间", "发生时间", "入账时间"})
_DATE = r"(\d{4})年(\d{2})月(\d{2})日 (\d{2}:\d{2}:\d{2})"
_SPAN = re.compile(rf"起始日期[：:]\[{_DATE}\]\s*终止日期[：:]\[{_DATE}\]")
_EXPORTED = re.compile(rf"导出时间[：:]\[{_DATE}\]")
_ACCOUNT = re.compile(r"账号[：:]\[(\d+)\]")
_TOTAL = re.compile(r"#(交易|退款|支出|收入)合计[：:](\d+)笔[，,].*?共(-?\d+(?:\.\d+)?)元")
_TOTAL_NAMES = {"交易": "payment", "退款": "refund", "支出": "expense", "收入": "income"}
_NAME_ACCOUNT = re.compile(r"(?<!\d)(2088\d{12}(?:\d{4})?)(?!\d)")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")
_EXCEL_DATETIME = re.compile(r"\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}")
_EXCEL_NUMBER = re.compile(r"\d\.\d+E\+\d+", re.IGNORECASE)

_PERSONAL = (
    "This is a personal statement (支付宝电子客户回单 / 交易记录明细), not a merchant bill. Download"
    " 业务明细 or 账务明细 from b.alipay.com → 对账中心 → 账单下载."
)
_TO_CARD = (
    "This is a bill of settlements to a bank card (settlementMerge, 批次结算到卡). Its columns are not"
    " published, so it is not read. What left for the bank stands in 账务明细 as 提现: load that."
)
_MAC_LINES = (
    "The bill's lines end as old Macintosh programs end them: it was opened and saved again."
    " Download it again and load the file as it is."
)
_TRUNCATED = "The bill is cut off: its end marker is missing. Download it again."


def encoding(sample: Sample) -> str:
    """UTF-8 where the bill's own words can be read as it, else GB18030, GBK's superset."""
    if sample.head.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    text = sample.head.decode("utf-8", errors="ignore")
    return "utf-8" if any(word in text for word in _ALWAYS_THERE) else "gb18030"


def recognises(sample: Sample) -> str | None:
    """The kind of this bill by its first lines. Raises RefusedInput for a personal statement."""
    text = _to_last_line(sample.head).decode(encoding(sample), errors="ignore").lstrip("\ufeff")
    for anchor, kind in _ANCHORS.items():
        if anchor in text:
            return kind
    if "支付宝交易记录明细查询" in text or "电子客户回单" in text or (
        "导出信息" in text and "支付宝" in text
    ):
        raise RefusedInput(_PERSONAL)
    if _is_settled_to_card(sample.name, text):
        raise RefusedInput(_TO_CARD)
    columns = _columns(text.split("\n", 1)[0])
    for kind, fields in FIELDS.items():
        if all(set(item.headers) & set(columns) for item in fields if item.required):
            return kind
    return None


def _is_settled_to_card(name: str, text: str) -> bool:
    frame = "".join(line for line in text.splitlines()[:8] if line.startswith("#"))
    return any(word in name or word in frame for word in ("结算到卡", "settlementMerge"))


def identity(sample: Sample) -> tuple[str | None, date | None, date | None]:
    """Account, first and last day that the frame around a bill or a summary names."""
    text = _to_last_line(sample.head).decode(encoding(sample), errors="replace")
    around = "\n".join(line for line in text.splitlines()[:8] if line.startswith("#"))
    account = _ACCOUNT.search(around) or _NAME_ACCOUNT.search(sample.name)
    span = _SPAN.search(around)
    days = _days(span) if span else (None, None)
    return account.group(1)[:16] if account else None, *days


def frame(sample: Sample, kind: str) -> BillFrame:
    """Identity, span, columns and totals of a detail bill. Raises RefusedInput."""
    codec = encoding(sample)
    if b"\r" in sample.head and b"\n" not in sample.head:
        raise RefusedInput(_MAC_LINES)
    head = _Head(sample, codec)
    _check_columns(head.columns, kind)
    _refuse_resaved(head)
    ends, footer = _footer(sample, codec)
    if footer is None and head.framed:
        raise RefusedInput(_TRUNCATED)
    if footer is None and not sample.tail.endswith(b"\n") and _is_cut(sample, codec, head.columns):
        raise RefusedInput(_TRUNCATED)
    account, first_day, last_day = identity(sample)
    exported = _EXPORTED.search("\n".join([*head.comments, footer or ""]))
    return BillFrame(
        kind=kind,
        account=account,
        first_day=first_day,
        last_day=last_day,
        exported_at=_china(*exported.groups()) if exported else None,
        columns=tuple(head.columns),
        data_starts=head.data_starts,
        data_ends=max(ends, head.data_starts),
        data_line=head.data_line,
        totals=_totals(footer or ""),
    )


class _Head:
    """The lines above the rows: comments, the header, and where the rows begin."""

    def __init__(self, sample: Sample, codec: str) -> None:
        self.comments: list[str] = []
        offset = 0
        line_number = 0
        for raw in sample.head.splitlines(keepends=True):
            line_number += 1
            offset += len(raw)
            line = raw.decode(codec, errors="replace").strip("\r\n\ufeff")
            if line.startswith("#"):
                self.comments.append(line)
            elif line.strip(", \t"):
                self.columns = _columns(line)
                break
        else:
            raise RefusedInput(_TRUNCATED)
        self.framed = bool(self.comments)
        self.data_starts = offset
        self.data_line = line_number + 1
        rest = sample.head[offset:offset + 4096].decode(codec, errors="replace")
        self.first_row = rest.split("\n", 1)[0]


def _check_columns(columns: Sequence[str], kind: str) -> None:
    missing = [
        item.headers[0]
        for item in FIELDS[kind]
        if item.required and not set(item.headers) & set(columns)
    ]
    if missing:
        raise RefusedInput(
            "The bill's header lacks the column {columns}. If the channel has a new layout, send"
            " the header line to the maintainers.",
            columns="、".join(missing),
        )


def _refuse_resaved(head: _Head) -> None:
    padded = any(line.rstrip().endswith(",,") for line in head.comments)
    cells = head.first_row
    if padded or _EXCEL_DATETIME.search(cells) or _EXCEL_NUMBER.search(cells):
        raise RefusedInput(RESAVED)


def _footer(sample: Sample, codec: str) -> tuple[int, str | None]:
    """Offset where the rows end, and the footer's text (None where there is no end marker)."""
    base = sample.size - len(sample.tail)
    at = 0 if sample.tail.startswith(b"#") else sample.tail.find(b"\n#") + 1
    while at or sample.tail.startswith(b"#"):
        line = sample.tail[at:].split(b"\n", 1)[0].decode(codec, errors="replace")
        if "列表结束" in line:
            return base + at, sample.tail[at:].decode(codec, errors="replace")
        following = sample.tail.find(b"\n#", at)
        if following < 0:
            break
        at = following + 1
    return sample.size, None


def _is_cut(sample: Sample, codec: str, columns: Sequence[str]) -> bool:
    last = sample.tail.rsplit(b"\n", 1)[-1].decode(codec, errors="replace")
    return last.count(",") < len(columns) - 1


def _totals(footer: str) -> dict[str, int]:
    totals: dict[str, int] = {}
    for word, count, yuan in _TOTAL.findall(footer):
        name = _TOTAL_NAMES[word]
        totals[f"{name}_count"] = int(count)
        totals[f"{name}_fen"] = int(Decimal(yuan).scaleb(2))
    return totals


def _days(span: re.Match[str]) -> tuple[date, date]:
    """Inclusive business days of a span whose end is exclusive."""
    parts = span.groups()
    first = _local(*parts[:4])
    end = _local(*parts[4:])
    if first.time().isoformat() != "00:00:00" or end <= first:
        raise RefusedInput(
            "The bill covers only part of a day ({first} to {end}). Export whole days.",
            first=first.isoformat(" "),
            end=end.isoformat(" "),
        )
    return first.date(), (end - timedelta(seconds=1)).date()


def _local(year: str, month: str, day: str, time: str) -> datetime:
    try:
        at = datetime.fromisoformat(f"{year}-{month}-{day} {time}")
    except ValueError as error:
        raise RefusedInput("The bill's frame names a date that does not exist.") from error
    if not EARLIEST <= at <= LATEST:
        raise RefusedInput("The bill's frame names a date that does not exist.")
    return at


def _china(year: str, month: str, day: str, time: str) -> datetime:
    return _local(year, month, day, time) - timedelta(hours=8)


def _to_last_line(head: bytes) -> bytes:
    cut = head.rfind(b"\n")
    return head[: cut + 1] if cut >= 0 else head


def _columns(line: str) -> list[str]:
    bare = line.strip("\r\n\ufeff").replace("（", "(").replace("）", ")")
    return [cell.strip("\t \ufeff") for cell in bare.split(",")]


def cut(rows: bytes, line: int, frame: BillFrame) -> tuple[bytes, list[Reject]]:
    """The rows as they are: their cells are parted by commas."""
    del line, frame
    return rows, []


def mend(cells: list[str], columns: Sequence[str]) -> list[str] | None:
    """Put commas of free text back: surplus cells left of the times are the subject's, others
    the note's. None where the times do not stand where they should.
    """
    surplus = len(cells) - len(columns)
    times = [at for at, name in enumerate(columns) if name in _TIME_COLUMNS]
    if surplus <= 0 or not times:
        return None
    if all(_DATETIME.fullmatch(cells[at + surplus].strip()) for at in times):
        at = columns.index("商品名称") if "商品名称" in columns else -1
    elif all(_DATETIME.fullmatch(cells[at].strip()) for at in times) and columns[-1] == "备注":
        at = len(columns) - 1
    else:
        return None
    if at < 0:
        return None
    joined = ",".join(cells[at : at + surplus + 1])
    return [*cells[:at], joined, *cells[at + surplus + 1 :]]


def check_summary(sample: Sample, totals: Mapping[str, int]) -> str | None:
    """The name of the first control total of the summary that the detail does not meet."""
    text = (sample.head if sample.size <= len(sample.head) else sample.head + sample.tail).decode(
        encoding(sample), errors="replace"
    )
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return None
    columns = _columns(lines[0])
    last = [cell.strip("\t ") for cell in lines[-1].split(",")]
    if not last or not last[0].startswith("合计") or len(last) < len(columns):
        return None
    row = dict(zip(columns, last, strict=False))
    counts = {
        "交易订单总笔数": "payment_count",
        "退款订单总笔数": "refund_count",
        "收入笔数": "income_count",
        "支出笔数": "expense_count",
    }
    for column, name in counts.items():
        value = row.get(column, "")
        if value.isdigit() and name in totals and int(value) != totals[name]:
            return column
    return _wrong_amount(row, totals)


def _wrong_amount(row: Mapping[str, str], totals: Mapping[str, int]) -> str | None:
    """An amount of the summary's last row that the detail's totals do not give."""
    paid, back = totals.get("payment_fen"), totals.get("refund_fen", 0)
    wanted = {
        "商家实收(元)": {paid, paid + back} if paid is not None else None,
        "收入金额(+元)": {totals["income_fen"]} if "income_fen" in totals else None,
        "支出金额(-元)": (
            {totals["expense_fen"], -totals["expense_fen"]} if "expense_fen" in totals else None
        ),
    }
    for column, allowed in wanted.items():
        text = row.get(column, "")
        if allowed is None or not text:
            continue
        try:
            if fen_of_yuan(text) not in allowed:
                return column
        except ValueError:
            return column
    return None

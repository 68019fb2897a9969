"""WeChat Pay's merchant bills: 交易账单 (trade: ALL, SUCCESS, REFUND) and 资金账单 (fund flow).

Columns go by header text: the sets of before and after 免充值券 are both alive. Source: bill
documents of API v3 and v2, and files pasted in public.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from loaders.channels.protocol import RESAVED, BillField, Case, Sample
from loaders.errors import RefusedInput
from loaders.records import EARLIEST, LATEST, BillFrame, Part, Reject

_BACK = ("REFUND", "REVOKED")


_REFUND_STATES = (
    ("SUCCESS", "done"), ("PROCESSING", "accepted"), ("CHANGE", "stuck"), ("FAIL", "closed"),
)
"""退款状态 as of the bill's making in the words of RefundState. PROCESSING is off the shop's account and
not proven, CHANGE (转入代发) did not reach the buyer, FAIL gave nothing back."""


def _in_refunds(*headers: str) -> Case:
    """In rows of refunds the amount stands in another column, and without a sign."""
    return Case("交易状态", _BACK, headers, is_negated=True)


FIELDS: Mapping[str, Sequence[BillField]] = {
    "trade_bill": (
        BillField("trade_no", ("微信订单号",)),
        BillField("order_no", ("商户订单号",), required=True),
        BillField("type", ("交易状态",), required=True),
        BillField("subject", ("商品名称",)),
        BillField("created_at", (), "time"),
        BillField("finished_at", ("交易时间",), "time", required=True,
                  case=Case("交易状态", _BACK, ("退款申请时间",))),
        BillField("terminal", ("设备号",)),
        BillField("order_fen", ("订单金额", "总金额"), "money", required=True,
                  case=_in_refunds("申请退款金额", "退款金额")),
        BillField("receipt_fen", ("应结订单金额", "总金额"), "money", required=True,
                  case=_in_refunds("退款金额")),
        BillField("voucher_fen", ("代金券金额", "企业红包金额", "代金券或立减优惠金额"), "money"),
        BillField("refund_no", ("商户退款单号",), absent="0"),
        BillField("refund_state", ("退款状态",), words=_REFUND_STATES),
        BillField("service_fen", ("手续费",), "fee", is_negated=True),
        BillField("note", ("商户数据包",)),
        BillField("currency", ("货币种类",)),
    ),
    "account_bill": (
        BillField("log_no", ("资金流水单号",), required=True),
        BillField("trade_no", ("微信支付业务单号",)),
        BillField("order_no", ("业务凭证号",)),
        BillField("finished_at", ("记账时间",), "time", required=True),
        BillField("income_fen", (), "money",
                  case=Case("收支类型", ("收入",), ("收支金额(元)",))),
        BillField("expense_fen", (), "money",
                  case=Case("收支类型", ("支出",), ("收支金额(元)",), is_negated=True)),
        BillField("balance_fen", ("账户结余(元)",), "money"),
        BillField("type", ("业务类型",), required=True),
        BillField("note", ("备注",)),
        BillField("description", ("业务名称",)),
    ),
}

KINDS: Mapping[str, Mapping[str, str]] = {
    "trade_bill": {"SUCCESS": "payment", "REFUND": "refund", "REVOKED": "refund"},
    "account_bill": {
        "交易": "payment",
        "退款": "refund",
        "退款关闭": "refund_closed",
        "扣除交易手续费": "fee",
        "退还交易手续费": "fee",
        "分账": "split",
        "提现": "withdrawal",
        "充值": "top_up",
        "转账": "transfer",
        "企业付款": "transfer",
    },
}
"""The channel's 交易状态 and 业务类型 in our words; what is not listed is `other`."""

TIME_OFFSET_S = 28_800
"""Times in bills are China time, written without a zone."""

CELL_PREFIX = "`"
"""Stands before every cell of a row, and of no header, lest a spreadsheet take ids for numbers."""

_MARKS = {"trade_bill": ("微信订单号", "交易状态"), "account_bill": ("资金流水单号", "收支类型")}
"""Columns that tell a kind of bill from all other files."""

_SUMMARIES = {"trade_bill": "总交易单数", "account_bill": "资金流水总笔数"}
"""The first column of the summary below the rows."""

_TOTALS: Mapping[str, Mapping[str, str]] = {
    "whole": {
        "总交易单数": "rows_count",
        "应结订单总金额": "gross_fen", "总交易额": "gross_fen",
        "退款总金额": "refund_fen", "总退款金额": "refund_fen",
        "订单总金额": "ordered_fen", "申请退款总金额": "returned_fen",
        "手续费总金额": "service_thousandths",
    },
    "account": {
        "收入笔数": "income_count", "收入金额": "income_fen",
        "支出笔数": "expense_count", "支出金额": "expense_fen",
    },
}
_NOT_IN_PART = {
    "whole": frozenset[str](),
    "payments": frozenset({"refund_fen", "returned_fen"}),
    "refunds": frozenset({"gross_fen", "ordered_fen"}),
}
"""Totals of amounts that the rows of a part do not have in columns of their own."""
_OUTGOING = frozenset({"refund_fen", "returned_fen", "expense_fen", "service_thousandths"})
_SCALES = {"count": 0, "fen": 2, "thousandths": 5}

_NAME = re.compile(r"(?<!\d)(\d{8,10})([A-Za-z_\u4e00-\u9fff]*)(\d{4}-?\d{2}-?\d{2})?(?!\d)")
_PURSES = {"OPERATION": ("operation", "运营"), "FEES": ("fees", "手续费")}
"""Accounts of a merchant beside the basic one, and how files are named that tell of them."""
_EXCEL_DATETIME = re.compile(r"\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d{2}")
_EXCEL_NUMBER = re.compile(r"\d\.\d+E\+\d+", re.IGNORECASE)
_V2_TEXT = re.compile(r"<(return_msg|error_code|err_code|err_code_des)>(?:<!\[CDATA\[)?([^\]<]*)")

_PERSONAL = (
    "This is a personal statement (微信支付账单明细), not a merchant bill. Download 交易账单 or"
    " 资金账单 from pay.weixin.qq.com → 交易中心, or through the API."
)
_TRUNCATED = "The bill is cut off: its summary rows are missing. Download it again."
_NO_TRADES = (
    "WeChat Pay answered that there is no bill ({code}): nothing was traded that day. There is"
    " nothing to load."
)
_NOT_READY = (
    "WeChat Pay answered that the bill is still being made ({code}). Download it after 10:00 of the"
    " next day."
)
_ERROR = "This is an error answer of WeChat Pay ({code}), saved as if it were a bill. Download it again."
_V2_MESSAGE = (
    "This is a WeChat Pay message of API v2 (XML). Only v3 is read: set notify_url on v3 orders, or"
    " load the day's bill."
)


_JOINED = "The file holds several bills, one behind the other. Load each as its own file, as downloaded."


def encoding(sample: Sample) -> str:
    """UTF-8 as the API sends it, else GB18030, which a manual download may be in."""
    if sample.head.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    line = sample.head.split(b"\n", 1)[0]
    return "utf-8" if "时间".encode() in line else "gb18030"


def recognises(sample: Sample) -> str | None:
    """The kind of this bill by its header. Raises RefusedInput for what is no bill, but is known."""
    _refuse_answers(sample)
    text = _text(_to_last_line(sample.head), encoding(sample))
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    if "微信支付账单明细" in text[:2048] and "微信订单号" not in first:
        raise RefusedInput(_PERSONAL)
    columns = set(_columns(first))
    for kind, marks in _MARKS.items():
        if columns.issuperset(marks):
            return kind
        if {column.strip('"') for column in columns}.issuperset(marks):
            raise RefusedInput(RESAVED)
    return None


def _refuse_answers(sample: Sample) -> None:
    """Refuse answers and messages of the channel that were saved as files."""
    start = sample.head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith(b"<xml"):
        text = start.decode("utf-8", errors="replace")
        if "<transaction_id>" in text or "<req_info>" in text:
            raise RefusedInput(_V2_MESSAGE)
        found = dict(_V2_TEXT.findall(text))
        if found:
            why = found.get("return_msg") or found.get("err_code_des") or ""
            _refuse(found.get("error_code") or found.get("err_code") or why, why)
    if start.startswith(b"{") and sample.size <= len(sample.head):
        try:
            answer = json.loads(start)
        except (ValueError, RecursionError):
            return
        if isinstance(answer, dict) and {"code", "message"} <= set(answer) <= {
            "code", "message", "detail",
        }:
            _refuse(str(answer["code"]), "")


def _refuse(code: str, why: str) -> None:
    said = f"{code} {why}".upper().replace("_", " ")
    shown = (code if why in ("", code) else f"{code} {why}")[:60] or "?"
    if "NO BILL EXIST" in said or "NO STATEMENT EXIST" in said or code == "20002":
        raise RefusedInput(_NO_TRADES, code=shown)
    if "CREATING" in said:
        raise RefusedInput(_NOT_READY, code=shown)
    raise RefusedInput(_ERROR, code=shown)


def identity(sample: Sample) -> tuple[str | None, date | None, date | None]:
    """The account (mchid) and day of the first row; where there is none, what the name says."""
    lines = _text(_to_last_line(sample.head), encoding(sample)).lstrip("\ufeff").split("\n", 2)
    columns = _columns(lines[0])
    cells = _cells(lines[1], columns) if len(lines) > 1 else []
    row = dict(zip(columns, cells, strict=False)) if len(cells) == len(columns) else {}
    named, purse, day_of_name = _named(sample.name)
    day = _day(row.get("退款申请时间") or row.get("交易时间") or row.get("记账时间") or "")
    day = day or (None if row else day_of_name)
    account = row.get("商户号") or named
    if account and purse and _MARKS["account_bill"][0] in columns:
        account += f"-{purse}"
    return account, day, day


def _named(name: str) -> tuple[str | None, str, date | None]:
    """Merchant, account beside the basic one, and day in a name: 1900000109Fees2026-05-03.csv."""
    found = _NAME.search(name)
    if found is None:
        return None, "", None
    word = found.group(2).lower()
    purse = next((key for key, words in _PURSES.items() if any(item in word for item in words)), "")
    return found.group(1), purse, _day(found.group(3) or "")


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None
    return day if EARLIEST.date() <= day < LATEST.date() else None


def frame(sample: Sample, kind: str) -> BillFrame:
    """Identity, columns and totals of a bill; its days are those of its rows. Raises RefusedInput."""
    codec = encoding(sample)
    header = sample.head.split(b"\n", 1)[0]
    columns = _columns(_text(header, codec))
    _check_columns(columns, kind)
    starts = min(len(header) + 1, sample.size)
    first_row = _text(sample.head[starts : starts + 4096].split(b"\n", 1)[0], codec)
    if _EXCEL_DATETIME.search(first_row) or _EXCEL_NUMBER.search(first_row):
        raise RefusedInput(RESAVED)
    ends, summary = _summary(sample, codec, kind)
    account, first_day, last_day = identity(sample)
    part = _part(columns) if kind == "trade_bill" else "whole"
    is_empty = ends <= starts
    return BillFrame(
        kind=kind,
        account=account,
        first_day=first_day if is_empty else None,
        last_day=last_day if is_empty else None,
        exported_at=None,
        columns=tuple(columns),
        data_starts=starts,
        data_ends=max(ends, starts),
        data_line=2,
        totals=_totals(summary, _TOTALS["whole" if kind == "trade_bill" else "account"], part),
        part=part,
    )


def _part(columns: Sequence[str]) -> Part:
    """Which of a day's rows the bill has: SUCCESS and REFUND bills have columns of their own."""
    if "退款申请时间" in columns or "退款成功时间" in columns:
        return "refunds"
    return "whole" if "商户退款单号" in columns else "payments"


def _check_columns(columns: Sequence[str], kind: str) -> None:
    missing = [
        headers[0]
        for item in FIELDS[kind]
        for headers in [item.headers or (item.case.headers if item.case else ())]
        if headers and (item.required or not item.headers) and not set(headers) & set(columns)
    ]
    if missing:
        raise RefusedInput(
            "The bill's header lacks the column {columns}. If the channel has a new layout, send"
            " the header line to the maintainers.",
            columns="、".join(dict.fromkeys(missing)),
        )


def _summary(sample: Sample, codec: str, kind: str) -> tuple[int, Mapping[str, str]]:
    """Offset where the rows end, and the summary as column → text. Raises RefusedInput."""
    mark = _SUMMARIES[kind].encode(codec.removesuffix("-sig"))
    at = sample.tail.rfind(b"\n" + mark) + 1
    lines = _text(sample.tail[at:], codec).split("\n")
    if not at or len(lines) < 2:
        raise RefusedInput(_TRUNCATED)
    if b"\n" + mark in sample.tail[: at - 1]:
        raise RefusedInput(_JOINED)
    columns = _columns(lines[0])
    values = _cells(lines[1], columns)
    if len(values) < len(columns):
        raise RefusedInput(_TRUNCATED)
    return sample.size - len(sample.tail) + at, dict(zip(columns, values, strict=False))


def _totals(
    summary: Mapping[str, str], names: Mapping[str, str], part: str
) -> dict[str, int]:
    """The summary's control totals under the names that rows are counted by."""
    totals: dict[str, int] = {}
    for column, text in summary.items():
        name = names.get(column)
        if name is None or name in _NOT_IN_PART[part] or not text:
            continue
        try:
            value = int(Decimal(text).scaleb(_SCALES[name.rsplit("_", 1)[-1]]))
        except (InvalidOperation, ValueError, OverflowError) as error:
            raise RefusedInput(
                "The bill's summary says {text} for {column}, which is no number. Download it again.",
                text=text[:20],
                column=column,
            ) from error
        totals[name] = -value if name in _OUTGOING else value
    return totals


def _text(raw: bytes, codec: str) -> str:
    return raw.decode(codec, errors="replace")


def _to_last_line(head: bytes) -> bytes:
    cut = head.rfind(b"\n")
    return head[: cut + 1] if cut >= 0 else head


def _columns(line: str) -> list[str]:
    bare = line.strip("\r\n\ufeff").replace("（", "(").replace("）", ")")
    return [cell.strip("\t `\ufeff") for cell in bare.split(",")]


def _cells(line: str, columns: Sequence[str]) -> list[str]:
    apart = line.strip("\r\n").removeprefix(CELL_PREFIX).split("," + CELL_PREFIX)
    if len(apart) != len(columns):
        apart = mend(apart, columns) or apart
    return [cell.strip() for cell in apart]


def cut(rows: bytes, line: int, frame: BillFrame) -> tuple[bytes, list[Reject]]:
    """The rows as they are: their cells are parted by commas."""
    del line, frame
    return rows, []


def mend(cells: list[str], columns: Sequence[str]) -> list[str] | None:
    """Cells of a row of which some lack their backtick; None where commas do not tell them apart."""
    apart = ("," + CELL_PREFIX).join(cells).split(",")
    if len(apart) != len(columns):
        return None
    return [cell.removeprefix(CELL_PREFIX) for cell in apart]


def check_summary(sample: Sample, totals: Mapping[str, int]) -> str | None:
    """Nothing: the summary stands in the bill itself, and is checked with it."""
    del sample, totals
    return None

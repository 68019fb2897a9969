"""The files UnionPay would write about the sample merchant: ZM and ZME, by their widths, in GBK."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sample_data.files import Line

MER_ID = "777290058110048"
_INSTITUTION = "00049992"
_CARD = "621626*********0018"
_ZM = (
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15,
    1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98,
)
_ZME = (3, 11, 11, 6, 10, 19, 12, 4, 2, 2, 6, 10, 4, 12, 13, 13, 15, 15, 1, 12, 2, 135)
_DAY_ENDS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Correction:
    """One corrected trade; `settled_fen` is negative for what the shop pays."""

    at: datetime
    settled_fen: int
    before: datetime
    code: str = "E23"
    trace: int = 1


def clearing_day(at: datetime) -> date:
    """The day a trade is cleared on: from 23:00 it is the next."""
    return (at + _DAY_ENDS).date()


def query_id(at: datetime, number: int) -> str:
    """The channel's number of a trade, 21 digits."""
    return f"{at:%Y%m%d%H%M%S}{number:07d}"


def zm(lines: Sequence[Line], *, note: str = "门店一号") -> bytes:
    """一般交易明细: a line of 41 fields and a reserve for each payment and refund."""
    return _written(_ZM, [_trade(line, number, note) for number, line in enumerate(lines)])


def _trade(line: Line, number: int, note: str) -> Mapping[int, str]:
    order, refund = line.order, line.refund
    assert order.paid_at is not None
    amount, fee = abs(line.amount_fen), line.fee_fen
    settled = line.amount_fen - fee
    fields = {
        1: "S30" if refund else "S22", 2: _INSTITUTION, 3: "00010000", 4: f"{number:06d}",
        5: f"{line.at:%m%d%H%M%S}", 6: _CARD, 7: f"{amount:012d}", 8: "5331", 9: "07",
        10: query_id(line.at, order.number), 11: "00",
        12: refund.number if refund else order.order_no, 13: "01",
        16: _marked(-fee), 17: _marked(settled), 18: "0201", 20: "04" if refund else "01",
        21: "00" if refund else "01", 22: "000201", 23: "01", 28: MER_ID, 33: _marked(settled),
        34: "01080209", 35: note,
    }
    if refund:
        fields |= {
            14: f"{order.number:06d}", 15: f"{order.paid_at:%m%d%H%M%S}",
            27: query_id(order.paid_at, order.number), 41: order.order_no,
        }
    return fields


def zme(corrections: Sequence[Correction]) -> bytes:
    """差错交易明细: what was corrected after its day."""
    return _written(_ZME, [
        {
            1: item.code, 2: _INSTITUTION, 3: "00010000", 4: f"{item.trace:06d}",
            5: f"{item.at:%m%d%H%M%S}", 6: _CARD, 7: f"{abs(item.settled_fen):012d}", 8: "5331",
            9: "07", 10: "01", 11: "000001", 12: f"{item.before:%m%d%H%M%S}",
            13: f"{clearing_day(item.before):%m%d}", 14: f"{abs(item.settled_fen):012d}",
            15: _marked(0), 16: _marked(item.settled_fen), 18: MER_ID,
        }
        for item in corrections
    ])


def _marked(fen: int) -> str:
    """C for the shop, D from it."""
    return f"{'D' if fen < 0 else 'C'}{abs(fen):012d}"


def _written(widths: Sequence[int], rows: Sequence[Mapping[int, str]]) -> bytes:
    """Lines of fields padded with spaces to their widths in bytes, one space between them."""
    lines = [
        b" ".join(
            row.get(at, "").encode("gbk")[:width].ljust(width)
            for at, width in enumerate(widths, start=1)
        )
        for row in rows
    ]
    return b"".join(line + b"\r\n" for line in lines)


def name_of(day: date, kind: str = "ZM") -> str:
    """The name of a day's file."""
    return f"INN{day:%y%m%d}88{kind}_{MER_ID}"


def packed(day: date, lines: Sequence[Line], corrections: Sequence[Correction] = ()) -> bytes:
    """A day's zip as the channel sends it; a file without lines is empty."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, content in (("ZM", zm(lines)), ("ZME", zme(corrections))):
            member = zipfile.ZipInfo(name_of(day, kind), (2026, 5, 4, 9, 0, 0))
            archive.writestr(member, content)
    return sink.getvalue()

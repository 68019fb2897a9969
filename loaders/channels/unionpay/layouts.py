"""The fields of UnionPay's fixed-width lines: ZM (一般交易明细) and ZME (差错交易明细), by width.

Between two fields stands one space; the last field takes what is left of the line. Source:
全渠道平台接入接口规范 第3部分 文件接口 §6.1 and §6.2, and the parsers of the official kits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ZM: Sequence[tuple[str, int]] = (
    ("交易代码", 3), ("代理机构标识码", 11), ("发送机构标识码", 11), ("系统跟踪号", 6),
    ("交易传输时间", 10), ("帐号", 19), ("交易金额", 12), ("商户类别", 4), ("终端类型", 2),
    ("查询流水号", 21), ("支付方式（旧）", 2), ("商户订单号", 32), ("支付卡类型", 2),
    ("原始交易的系统跟踪号", 6), ("原始交易日期时间", 10), ("商户手续费", 13), ("结算金额", 13),
    ("支付方式", 4), ("集团商户代码", 15), ("交易类型", 2), ("交易子类", 2), ("业务类型", 6),
    ("帐号类型", 2), ("账单类型", 4), ("账单号码", 32), ("交互方式", 1), ("原交易查询流水号", 21),
    ("商户代码", 15), ("分账入账方式", 1), ("二级商户代码", 15), ("二级商户简称", 32),
    ("二级商户分账入账金额", 13), ("清算净额", 13), ("终端号", 8), ("商户自定义域", 32),
    ("优惠金额", 13), ("发票金额", 13), ("分期付款附加手续费", 12), ("分期付款期数", 2),
    ("交易介质", 1), ("原始交易订单号", 32), ("保留使用", 98),
)
ZME: Sequence[tuple[str, int]] = (
    ("交易代码", 3), ("代理机构标识码", 11), ("发送机构标识码", 11), ("系统跟踪号", 6),
    ("交易传输时间", 10), ("帐号", 19), ("交易金额", 12), ("商户类别", 4), ("终端类型", 2),
    ("支付卡类型", 2), ("上一笔交易的系统跟踪号", 6), ("上一笔交易的日期时间", 10),
    ("上一笔交易清算日期", 4), ("上一笔交易金额", 12), ("商户手续费", 13), ("结算金额", 13),
    ("集团商户代码", 15), ("商户代码", 15), ("分账清算标识", 1), ("分期付款附加手续费", 12),
    ("分期付款期数", 2), ("保留使用", 135),
)
LAYOUTS = {"trade_bill": ZM, "account_bill": ZME}
_NEEDED_TO = "商户代码"
"""A line may end after this field: older kits write less behind it, newer ones more."""

_SHAPES: Mapping[str, re.Pattern[bytes]] = {
    "交易代码": re.compile(rb"[0-9A-Z]{3}"),
    "交易传输时间": re.compile(rb"\d{10}"),
    "交易金额": re.compile(rb"\d{12}"),
    "查询流水号": re.compile(rb"[0-9A-Za-z]{21}"),
    "交易类型": re.compile(rb"\d\d"),
    "商户手续费": re.compile(rb"([CD]?\d{12,13})?"),
    "结算金额": re.compile(rb"([CD]?\d{12,13})?"),
    "上一笔交易金额": re.compile(rb"\d{12}"),
    "商户代码": re.compile(rb"[0-9A-Za-z]{15}"),
}
"""Fields that must look so, or the line is not of this layout."""


def shortest(kind: str) -> int:
    """The least number of bytes a line may have."""
    end = 0
    for name, width in LAYOUTS[kind]:
        end += width
        if name == _NEEDED_TO:
            break
        end += 1
    return end


def cut(line: bytes, kind: str) -> dict[str, bytes] | None:
    """A line's fields, cut before anything is decoded; None if it is not laid out so.

    Fields behind the last that is needed may be missing; they are empty then.
    """
    fields: dict[str, bytes] = {}
    at = 0
    for name, width in LAYOUTS[kind]:
        fields[name] = line[at : at + width].strip()
        at += width
        if at < len(line) and name != "保留使用" and line[at : at + 1] != b" ":
            return None
        at += 1
    if len(line) < shortest(kind):
        return None
    shapes = ((name, shape) for name, shape in _SHAPES.items() if name in fields)
    return fields if all(shape.fullmatch(fields[name]) for name, shape in shapes) else None

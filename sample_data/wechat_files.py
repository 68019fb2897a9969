"""The files WeChat Pay would write about the sample merchant: bills and v3 notifications."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from loaders.channels.wechatpay.signing import PrivateKey, encrypt, message_string, sign
from sample_data.files import Line, yuan
from sample_data.merchant import Order, Refund

MCHID = "1900000109"
APPID = "wx0000000000000001"
SERIAL = "PUB_KEY_ID_0119000001092026010100000000000001"
API_KEY = "0123456789abcdef0123456789abcdef"
_COMMON = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
)
_LEGACY_COMMON = _COMMON.replace("特约商户号", "子商户号")
_REFUND = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,"
TRADE_HEADERS: Mapping[str, str] = {
    "ALL": f"{_COMMON}应结订单金额,代金券金额,{_REFUND}商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注",
    "SUCCESS": f"{_COMMON}应结订单金额,代金券金额,商品名称,商户数据包,手续费,费率,订单金额,费率备注",
    "REFUND": f"{_COMMON}应结订单金额,代金券金额,退款申请时间,退款成功时间,{_REFUND}商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注",
    "LEGACY": f"{_LEGACY_COMMON}总金额,企业红包金额,{_REFUND.replace('充值券', '企业红包')}商品名称,"
    "商户数据包,手续费,费率",
}
_SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_LEGACY_SUMMARY = "总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额"
_FLOW_HEADER = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
_PROVEN: Mapping[str, str] = {}
_FLOW_SUMMARY = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


def transaction_id(order: Order) -> str:
    """The channel's number of a payment, 28 digits."""
    return f"42000{order.created_at:%Y%m%d}{order.number:015d}"


def _cells(line: Line, states: Mapping[str, str]) -> dict[str, str]:
    """A bill row by column."""
    order, refund = line.order, line.refund
    amount = yuan(abs(line.amount_fen))
    paid, back = ("0.00", amount) if refund else (amount, "0.00")
    assert order.paid_at is not None
    return {
        "交易时间": _stamp(line.at), "公众账号ID": APPID, "商户号": MCHID, "特约商户号": "0",
        "子商户号": "0", "设备号": order.store or "", "微信订单号": transaction_id(order),
        "商户订单号": order.order_no, "用户标识": f"oBUYER{order.buyer:020d}", "交易类型": "JSAPI",
        "交易状态": "REFUND" if refund else "SUCCESS", "付款银行": "OTHERS", "货币种类": "CNY",
        "应结订单金额": paid, "总金额": paid, "代金券金额": "0.00", "企业红包金额": "0.00",
        "微信退款单号": f"50300{refund.number[1:]:0>23}" if refund else "0",
        "商户退款单号": refund.number if refund else "0", "退款金额": back,
        "充值券退款金额": "0.00", "企业红包退款金额": "0.00",
        "退款类型": "ORIGINAL" if refund else "",
        "退款状态": states.get(refund.number, "SUCCESS") if refund else "",
        "商品名称": order.items[0][1], "商户数据包": "", "手续费": f"{yuan(line.fee_fen)}000",
        "费率": "0.60%", "订单金额": paid, "申请退款金额": back, "费率备注": "",
    }


def trade_bill(
    lines: Sequence[Line], kind: str = "ALL", states: Mapping[str, str] = _PROVEN
) -> bytes:
    """交易账单 as the channel writes it: BOM, CRLF, a backtick before each cell, two summary rows.

    `states` are the refunds' 退款状态 by number, where not SUCCESS.
    """
    wanted = [
        line for line in lines if kind in ("ALL", "LEGACY") or bool(line.refund) == (kind == "REFUND")
    ]
    rows = []
    for line in wanted:
        cells = _cells(line, states)
        if kind == "REFUND":
            assert line.order.paid_at is not None
            cells |= {"退款申请时间": cells["交易时间"], "退款成功时间": cells["交易时间"],
                      "交易时间": _stamp(line.order.paid_at)}
        rows.append([cells[name] for name in TRADE_HEADERS[kind].split(",")])
    paid = yuan(sum(line.amount_fen for line in wanted if not line.refund))
    back = yuan(-sum(line.amount_fen for line in wanted if line.refund))
    fee = f"{yuan(sum(line.fee_fen for line in wanted))}000"
    totals = [str(len(wanted)), paid, back, "0.00", fee, paid, back]
    if kind == "LEGACY":
        return _framed(TRADE_HEADERS[kind], rows, _LEGACY_SUMMARY, totals[:5])
    return _framed(TRADE_HEADERS[kind], rows, _SUMMARY, totals)


def fund_flow(lines: Sequence[Line]) -> bytes:
    """资金账单: each payment, refund and fee as a movement of the account."""
    rows: list[list[str]] = []
    sums = {"收入": [0, 0], "支出": [0, 0]}
    balance = 10_000_00
    for line in lines:
        refund = line.refund
        moves = [("退款" if refund else "交易", line.amount_fen)]
        if line.fee_fen:
            moves.append(("退还交易手续费" if refund else "扣除交易手续费", -line.fee_fen))
        number = f"50300{refund.number[1:]:0>23}" if refund else transaction_id(line.order)
        for kind, fen in moves:
            way = "收入" if fen > 0 else "支出"
            balance += fen
            sums[way][0] += 1
            sums[way][1] += abs(fen)
            rows.append([
                _stamp(line.at), number, transaction_id(line.order), "退款" if refund else "交易", kind,
                way, yuan(abs(fen)), yuan(balance), "system", "",
                refund.number if refund else line.order.order_no,
            ])
    totals = [str(len(rows))]
    for count, fen in sums.values():
        totals += [str(count), yuan(fen)]
    return _framed(_FLOW_HEADER, rows, _FLOW_SUMMARY, totals)


def _framed(
    header: str, rows: Sequence[Sequence[str]], summary: str, totals: Sequence[str]
) -> bytes:
    values = [",".join(f"`{cell}" for cell in row) for row in (*rows, totals)]
    lines = [header, *values[:-1], summary, values[-1]]
    return b"\xef\xbb\xbf" + ("\r\n".join(lines) + "\r\n").encode()


def write_day(folder: Path, day: date, lines: Sequence[Line]) -> list[Path]:
    """A day's bill and fund flow, packed and named as the channel does."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, content in (("All", trade_bill(lines)), ("Basic", fund_flow(lines))):
        path = folder / f"{MCHID}{name}{day}.csv.gz"
        path.write_bytes(packed(path.stem, content))
        made.append(path)
    return made


def packed(name: str, content: bytes) -> bytes:
    """A gzip file that keeps the name it had."""
    sink = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=sink, mtime=0) as file:
        file.write(content)
    return sink.getvalue()


def transaction(order: Order) -> dict[str, object]:
    """The object of a payment's message."""
    assert order.paid_at is not None
    return {
        "mchid": MCHID, "appid": APPID, "out_trade_no": order.order_no,
        "transaction_id": transaction_id(order), "trade_type": "JSAPI", "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功", "bank_type": "OTHERS", "attach": "",
        "success_time": f"{order.paid_at:%Y-%m-%dT%H:%M:%S}+08:00",
        "payer": {"openid": f"oBUYER{order.buyer:020d}"},
        "amount": {"total": order.amount_fen, "payer_total": order.amount_fen, "currency": "CNY",
                   "payer_currency": "CNY"},
    }


def refund_result(order: Order, refund: Refund) -> dict[str, object]:
    """The object of a refund's message."""
    return {
        "mchid": MCHID, "out_trade_no": order.order_no, "transaction_id": transaction_id(order),
        "out_refund_no": refund.number, "refund_id": f"50300{refund.number[1:]:0>23}",
        "refund_status": "SUCCESS", "success_time": f"{refund.done_at:%Y-%m-%dT%H:%M:%S}+08:00",
        "user_received_account": "支付用户零钱",
        "amount": {"total": order.amount_fen, "refund": refund.amount_fen,
                   "payer_total": order.amount_fen, "payer_refund": refund.amount_fen},
    }


def message(event: str, told: Mapping[str, object], at: datetime) -> str:
    """The body of a notification made at `at` (shop-local) with an encrypted object."""
    kind = "refund" if event.startswith("REFUND") else "transaction"
    plain = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    number = f"{told.get('out_refund_no') or told.get('out_trade_no')}"
    nonce = "n0123456789x"
    return json.dumps(
        {
            "id": f"{event}-{number}", "create_time": f"{at:%Y-%m-%dT%H:%M:%S}+08:00",
            "resource_type": "encrypt-resource", "event_type": event, "summary": "支付成功",
            "resource": {
                "original_type": kind, "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": encrypt(plain, nonce, kind, API_KEY.encode()), "nonce": nonce,
                "associated_data": kind,
            },
        },
        ensure_ascii=False, separators=(",", ":"),
    )


def signed_headers(body: str, at: datetime, key: PrivateKey) -> dict[str, str]:
    """The headers with which the channel sends a body at `at` (shop-local)."""
    timestamp = str(round((at - datetime(1970, 1, 1) - timedelta(hours=8)).total_seconds()))
    nonce = "593BEC0C930BF1AFEB40B4A08C8FB242"
    return {
        "Wechatpay-Serial": SERIAL, "Wechatpay-Timestamp": timestamp, "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": sign(message_string(timestamp, nonce, body), key),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def log_line(body: str, headers: Mapping[str, str], received_at: datetime) -> str:
    """A line of our receiver's log; `received_at` is shop-local."""
    return json.dumps(
        {
            "received_at": received_at.isoformat(timespec="milliseconds") + "+08:00",
            "channel": "wechatpay", "headers": dict(headers), "body": body,
        },
        ensure_ascii=False,
    )


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"

"""The methods of the gateway: each takes a checked call and answers with its node's fields."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import Any

from loaders.records import fen_of_yuan
from sample_data.files import yuan
from sample_data.gateway.account import account_log, balance
from sample_data.gateway.envelope import Call
from sample_data.gateway.gateway import Gateway, Handler
from sample_data.gateway.ledger import CLOSED, WAITING, Refund, Trade
from sample_data.gateway.links import bill_link
from sample_data.gateway.refusals import MESSAGES, Refused, business

_AUTH_CODE = re.compile(r"(2[5-9]|30)\d{14,22}|fp[0-9a-zA-Z]{33}")
_ORDER_NO = re.compile(r"[0-9A-Za-z_]{1,64}")
_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_MAX_FEN = 100_000_000_00
_DEFAULT_EXPIRY = {"alipay.trade.precreate": timedelta(hours=3), "alipay.trade.pay": timedelta(hours=3)}
_PRODUCTS = {
    "alipay.trade.page.pay": "FAST_INSTANT_TRADE_PAY", "alipay.trade.wap.pay": "QUICK_WAP_WAY",
    "alipay.trade.app.pay": "QUICK_MSECURITY_PAY",
}


def moment(at: datetime) -> str:
    """A time as the channel writes it."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _fen(call: Call, name: str) -> int:
    try:
        return fen_of_yuan(call.text(name))
    except ValueError as error:
        raise business("ACQ.INVALID_PARAMETER", f"{name}参数无效") from error


def _found(gateway: Gateway, call: Call) -> Trade:
    order_no, trade_no = call.text("out_trade_no"), call.text("trade_no")
    if not order_no and not trade_no:
        raise business("ACQ.INVALID_PARAMETER", "out_trade_no和trade_no不能同时为空")
    return gateway.ledger.find(order_no, trade_no)


def _ids(trade: Trade) -> dict[str, Any]:
    return {"trade_no": trade.trade_no, "out_trade_no": trade.order_no}


def _buyer(trade: Trade) -> dict[str, Any]:
    return {"buyer_logon_id": "138****0000", "buyer_user_id": f"2088{trade.buyer:012d}"}


def _query(gateway: Gateway, call: Call) -> dict[str, Any]:
    trade = _found(gateway, call)
    amount = yuan(trade.amount_fen)
    paid = amount if trade.is_paid else "0.00"
    node = _ids(trade) | _buyer(trade) | {
        "trade_status": trade.status, "total_amount": amount, "buyer_pay_amount": paid,
        "receipt_amount": paid, "invoice_amount": paid, "point_amount": "0.00",
    }
    if trade.paid_at:
        node["send_pay_date"] = moment(trade.paid_at)
    if trade.store:
        node["store_id"] = trade.store
    if trade.paid_at and "fund_bill_list" in call.options():
        node["fund_bill_list"] = [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}]
    return node


def _refund(gateway: Gateway, call: Call) -> dict[str, Any]:
    trade = _found(gateway, call)
    if call.text("refund_currency") not in ("", "CNY"):
        raise business("ACQ.CURRENCY_NOT_SUPPORT")
    refund, is_new = gateway.ledger.refund(
        trade, call.text("out_request_no"), _fen(call, "refund_amount"), gateway.clock(),
        call.text("refund_reason"),
    )
    if is_new:
        gateway.told("refund", trade, refund)
    node = _ids(trade) | _buyer(trade) | {
        "fund_change": "Y" if is_new else "N",
        "refund_fee": yuan(trade.refunded_fen),
        "gmt_refund_pay": moment(refund.at),
    }
    return node | _refund_detail(call, refund)


def _refund_detail(call: Call, refund: Refund) -> dict[str, Any]:
    if "refund_detail_item_list" not in call.options():
        return {}
    amount = yuan(refund.amount_fen)
    return {
        "send_back_fee": amount,
        "refund_detail_item_list": [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}],
    }


def _refund_query(gateway: Gateway, call: Call) -> dict[str, Any]:
    trade = _found(gateway, call)
    number = call.text("out_request_no")
    if not number:
        raise business("ACQ.INVALID_PARAMETER", "out_request_no不能为空")
    refund = trade.refund(number)
    if refund is None:
        return {}
    node = _ids(trade) | {
        "out_request_no": number, "refund_status": "REFUND_SUCCESS",
        "total_amount": yuan(trade.amount_fen), "refund_amount": yuan(refund.amount_fen),
    }
    if refund.reason:
        node["refund_reason"] = refund.reason
    if "gmt_refund_pay" in call.options():
        node["gmt_refund_pay"] = moment(refund.at)
    return node | _refund_detail(call, refund)


def _close(gateway: Gateway, call: Call) -> dict[str, Any]:
    trade = _found(gateway, call)
    gateway.ledger.close(trade, gateway.clock())
    gateway.told("close", trade, None)
    return _ids(trade)


def _cancel(gateway: Gateway, call: Call) -> dict[str, Any]:
    try:
        trade = _found(gateway, call)
    except Refused as refused:
        if refused.node["sub_code"] != "ACQ.TRADE_NOT_EXIST":
            raise
        return {"out_trade_no": call.text("out_trade_no"), "retry_flag": "N"}
    action, is_new = gateway.ledger.cancel(trade, gateway.clock())
    if is_new:
        gateway.told(action, trade, trade.refund(trade.order_no))
    return _ids(trade) | {"action": action, "retry_flag": "N"}


def _placed(gateway: Gateway, call: Call, *, is_reached: bool) -> Trade:
    """The order of this call: a new one, or the same one asked for again."""
    order_no, amount = call.text("out_trade_no"), _fen(call, "total_amount")
    if not _ORDER_NO.fullmatch(order_no) or not call.text("subject"):
        raise business("ACQ.INVALID_PARAMETER")
    if not 0 < amount <= _MAX_FEN:
        raise business("ACQ.TOTAL_FEE_EXCEED")
    known = gateway.ledger.order(order_no)
    if known is None:
        return gateway.ledger.place(_new_trade(gateway, call, order_no, amount, is_reached))
    if known.amount_fen != amount:
        raise business("ACQ.CONTEXT_INCONSISTENT")
    if known.status == CLOSED:
        raise business("ACQ.TRADE_HAS_CLOSE")
    if known.status != WAITING:
        raise business("ACQ.TRADE_HAS_SUCCESS")
    if is_reached:
        gateway.ledger.reach(known)
    return known


def _new_trade(
    gateway: Gateway, call: Call, order_no: str, amount: int, is_reached: bool
) -> Trade:
    now = gateway.clock().replace(microsecond=0)
    return Trade(
        order_no=order_no, trade_no="", amount_fen=amount, created_at=now,
        subject=call.text("subject"),
        product=call.text("product_code") or _PRODUCTS.get(call.method, "FACE_TO_FACE_PAYMENT"),
        buyer=gateway.chance.randrange(10**6), store=call.text("store_id"), body=call.text("body"),
        passback=call.text("passback_params"),
        notify_url=call.fields.get("notify_url") or gateway.manners.notify_url,
        return_url=call.fields.get("return_url", ""),
        charset=call.fields.get("charset", "utf-8"), sign_type=call.fields["sign_type"],
        is_reached=is_reached, expires_at=_expiry(call, now),
    )


def _expiry(call: Call, now: datetime) -> datetime:
    if text := call.text("time_expire"):
        try:
            return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
        except ValueError as error:
            raise business("ACQ.INVALID_PARAMETER", "time_expire参数无效") from error
    text = call.text("timeout_express")
    if text == "1c":
        return now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    if text:
        span = _SPAN.fullmatch(text)
        if span is None:
            raise business("ACQ.INVALID_PARAMETER", "timeout_express参数无效")
        return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
    return now + _DEFAULT_EXPIRY.get(call.method, timedelta(days=15))


def _precreate(gateway: Gateway, call: Call) -> dict[str, Any]:
    trade = _placed(gateway, call, is_reached=False)
    gateway.told("placed", trade, None)
    return {
        "out_trade_no": trade.order_no, "qr_code": f"{gateway.base_url}/cashier/{trade.order_no}",
    }


def _create(gateway: Gateway, call: Call) -> dict[str, Any]:
    if not (call.text("buyer_id") or call.text("buyer_open_id") or call.text("buyer_logon_id")):
        raise business("ACQ.INVALID_PARAMETER", "买家信息不能为空")
    trade = _placed(gateway, call, is_reached=True)
    gateway.told("placed", trade, None)
    return _ids(trade)


def _pay(gateway: Gateway, call: Call) -> dict[str, Any]:
    if not _AUTH_CODE.fullmatch(call.text("auth_code")):
        raise business("ACQ.PAYMENT_AUTH_CODE_INVALID")
    trade = _placed(gateway, call, is_reached=True)
    amount = yuan(trade.amount_fen)
    if trade.amount_fen > gateway.manners.password_above_fen:
        gateway.told("placed", trade, None)
        return _ids(trade) | _buyer(trade) | {
            "code": "10003", "msg": MESSAGES["10003"], "total_amount": amount,
        }
    paid = gateway.pay(trade.order_no)
    assert paid.paid_at is not None
    return _ids(trade) | _buyer(trade) | {
        "total_amount": amount, "receipt_amount": amount, "buyer_pay_amount": amount,
        "invoice_amount": amount, "point_amount": "0.00", "gmt_payment": moment(paid.paid_at),
        "fund_bill_list": [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}],
    }


def _page(gateway: Gateway, call: Call) -> dict[str, Any]:
    """An order whose buyer stands at the cashier; the answer is a page, not this node."""
    trade = _placed(gateway, call, is_reached=True)
    gateway.told("placed", trade, None)
    return _ids(trade)


def _settle(gateway: Gateway, call: Call) -> dict[str, Any]:
    trade = gateway.ledger.find("", call.text("trade_no"))
    if not call.text("out_request_no"):
        raise business("ACQ.INVALID_PARAMETER", "out_request_no不能为空")
    asked = call.biz.get("royalty_parameters")
    if not isinstance(asked, list) or not all(isinstance(share, dict) for share in asked):
        raise business("ACQ.INVALID_PARAMETER", "royalty_parameters参数无效")
    shares = [(str(share.get("trans_in", "")), _share_fen(share, trade)) for share in asked]
    made = gateway.ledger.settle(trade, call.text("out_request_no"), shares, gateway.clock())
    return {"trade_no": trade.trade_no, "settle_no": made.settle_no}


def _share_fen(share: dict[str, Any], trade: Trade) -> int:
    try:
        if share.get("amount") is not None:
            return fen_of_yuan(str(share["amount"]))
        return trade.amount_fen * int(share["amount_percentage"]) // 100
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise business("ACQ.INVALID_PARAMETER", "分账金额无效") from error


def _settle_query(gateway: Gateway, call: Call) -> dict[str, Any]:
    number, settle_no = call.text("out_request_no"), call.text("settle_no")
    if not settle_no and not (number and call.text("trade_no")):
        raise business("INVALID_PARAMETER")
    for trade in gateway.ledger:
        for made in trade.settlements:
            is_named = (trade.trade_no, made.number) == (call.text("trade_no"), number)
            if made.settle_no == settle_no or (not settle_no and is_named):
                return {
                    "out_request_no": made.number, "operation_dt": moment(made.at),
                    "royalty_detail_list": [
                        {
                            "operation_type": "transfer", "execute_dt": moment(made.at),
                            "trans_out": gateway.keys.seller_id, "trans_in": to,
                            "amount": yuan(fen), "state": "SUCCESS",
                            "detail_id": f"{made.settle_no}{at:03d}",
                        }
                        for at, (to, fen) in enumerate(made.shares)
                    ],
                }
    raise business("MERCHANT_TRADE_NOT_MATCH")


def _certificate(gateway: Gateway, _: Call) -> dict[str, Any]:
    content = base64.b64encode(gateway.keys.channel_cert).decode("ascii")
    return {"alipay_cert_content": content}


METHODS: dict[str, Handler] = {
    "alipay.trade.query": _query,
    "alipay.trade.refund": _refund,
    "alipay.trade.fastpay.refund.query": _refund_query,
    "alipay.trade.close": _close,
    "alipay.trade.cancel": _cancel,
    "alipay.trade.precreate": _precreate,
    "alipay.trade.create": _create,
    "alipay.trade.pay": _pay,
    "alipay.trade.page.pay": _page,
    "alipay.trade.wap.pay": _page,
    "alipay.trade.app.pay": _page,
    "alipay.trade.order.settle": _settle,
    "alipay.trade.order.settle.query": _settle_query,
    "alipay.data.dataservice.bill.downloadurl.query": bill_link,
    "alipay.data.bill.accountlog.query": account_log,
    "alipay.data.bill.balance.query": balance,
    "alipay.open.app.alipaycert.download": _certificate,
}

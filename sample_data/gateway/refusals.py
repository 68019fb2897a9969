"""What the gateway says when it refuses: codes, sub-codes and the channel's own words for them."""

from __future__ import annotations

MESSAGES = {
    "10000": "Success",
    "10003": "order success pay inprocess",
    "20000": "Service Currently Unavailable",
    "20001": "Insufficient Authorization",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40003": "Insufficient Conditions",
    "40004": "Business Failed",
    "40005": "Call Limited",
    "40006": "Insufficient Permissions",
}
_TEXTS = {
    "isp.unknow-error": "系统繁忙",
    "isv.app-call-limited": "应用调用次数超限",
    "isv.missing-method": "缺少方法名参数",
    "isv.invalid-method": "不存在的方法名",
    "isv.missing-app-id": "缺少AppID参数",
    "isv.invalid-app-id": "无效的AppID参数",
    "isv.missing-signature": "缺少签名参数",
    "isv.missing-signature-type": "缺少签名类型参数",
    "isv.invalid-signature-type": "无效的签名类型",
    "isv.missing-timestamp": "缺少时间戳参数",
    "isv.invalid-timestamp": "非法的时间戳参数",
    "isv.missing-version": "缺少版本参数",
    "isv.invalid-version": "非法的版本参数",
    "isv.invalid-charset": "字符集错误，当前仅支持GBK和UTF-8",
    "isv.invalid-format": "无效的数据格式",
    "isv.illegal-json": "biz_content不是合法的JSON",
    "isv.invalid-parameter": "参数无效",
    "isv.app-cert-not-exist": "应用证书不存在，请检查app_cert_sn",
    "isv.missing-alipay-root-cert-sn": "缺少支付宝根证书序列号",
    "isv.invalid-alipay-root-cert-sn": "支付宝根证书序列号错误",
    "isv.decryption-error-missing-encrypt-type": "缺少加密类型",
    "isv.decryption-error-not-valid-encrypt-type": "无效的加密类型",
    "isv.decryption-error-not-valid-encrypt-key": "无效的加密密钥",
    "isv.decryption-error-unknown": "解密出错，未知异常",
    "ACQ.SYSTEM_ERROR": "系统错误",
    "ACQ.INVALID_PARAMETER": "参数无效",
    "ACQ.TRADE_NOT_EXIST": "交易不存在",
    "ACQ.TRADE_STATUS_ERROR": "交易状态不合法",
    "ACQ.TRADE_HAS_CLOSE": "交易已经关闭",
    "ACQ.TRADE_HAS_SUCCESS": "交易已被支付",
    "ACQ.TRADE_HAS_FINISHED": "交易已经完结",
    "ACQ.CONTEXT_INCONSISTENT": "交易信息被篡改",
    "ACQ.TOTAL_FEE_EXCEED": "订单总金额不在允许范围内",
    "ACQ.PAYMENT_AUTH_CODE_INVALID": "支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款",
    "ACQ.DISCORDANT_REPEAT_REQUEST": "请求信息不一致",
    "ACQ.REFUND_FEE_ERROR": "退款金额无效",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": "退款金额超限",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": "退款金额无效",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "卖家余额不足",
    "ACQ.TRADE_CANCEL_TIME_OUT": "超过撤销时间",
    "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR": "分账金额校验错误",
    "ACQ.BUYER_BALANCE_NOT_ENOUGH": "买家余额不足",
    "MERCHANT_TRADE_NOT_MATCH": "商户与交易不匹配",
    "INVALID_PARAMETER": "参数有误",
    "invalid_arguments": "入参不合法",
    "isp.bill_not_exist": "账单不存在",
    "NO_BILL_DATA": "账单数据不存在",
    "BILL_DATE_BEFORE_REGISTRATION": "账单日期早于签约日期",
    "TYPE_NOT_SUPPORTED": "账单类型不支持",
}


class Refused(Exception):
    """A call that is answered with an error. `is_signed` is False where the channel does not sign."""

    def __init__(
        self, code: str, sub_code: str, text: str | None = None, *, is_signed: bool = True
    ) -> None:
        super().__init__(code, sub_code)
        self.is_signed = is_signed
        self.node = {
            "code": code,
            "msg": MESSAGES.get(code, "Business Failed"),
            "sub_code": sub_code,
            "sub_msg": text or _TEXTS.get(sub_code, "业务处理失败"),
        }


def business(sub_code: str, text: str | None = None) -> Refused:
    """A refusal of the business itself (40004)."""
    return Refused("40004", sub_code, text)

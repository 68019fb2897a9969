"""Every code of Alipay in one table: failure class, what it means, what staff should do.

A code stands without its prefix (ACQ., AQC., isv., isp., aop.), in upper case, `-` as `_`.
Source: the official lists of common codes and of each call's error codes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Codes of one meaning. `reason` and `source` are the failure class (None: no failure).

    `is_known`: the request is settled, nothing moved. `may_repeat`: unchanged, it may succeed later.
    `is_first_final`: nothing moved by the first request under a number, if it is answered so.
    """

    reason: str | None
    source: str | None
    text: str
    action: str
    codes: str
    is_known: bool = True
    may_repeat: bool = False
    is_first_final: bool = False


SUCCESS = Row(None, None, "The channel accepted the call.",
              "Look at the trade's own state.", "10000 9000")
WAITING = Row(None, None, "The buyer is paying at this moment.",
              "Wait and query the order every few seconds; cancel it if it stays so for a minute.",
              "10003 8000", is_known=False)
OPEN = Row("timeout_unknown", "channel", "The channel could not say what became of the call.",
           "Query the order or refund; if that proves nothing, repeat under the same number and"
           " amount.",
           "20000 SYSTEM_ERROR SYSTEM_BUSY UNKNOW_ERROR UNKNOWN_ERROR 6004", is_known=False,
           may_repeat=True)
LIMITED = Row("channel_error", "merchant", "Too many calls; this one was not carried out.",
              "Wait a little and repeat unchanged.",
              "40005 APP_CALL_LIMITED METHOD_CALL_LIMITED APP_AUTH_INVOKE_LIMIT EXCEED_API_BALANCE"
              " SYSTEM_RATE_LIMIT USER_RATE_LIMIT FREQUENCY_LIMITED PROCESSING",
              is_known=False, may_repeat=True)
UNFAMILIAR = Row("unmapped", "unknown", "The channel answered with a code unknown to this program.",
                 "Query the order; send the code and text to Alipay's support.", "",
                 is_known=False)

PAYING = (
    Row("insufficient_funds", "customer", "The buyer's balance is too small.",
        "Ask the buyer to pay by other means.",
        "BUYER_BALANCE_NOT_ENOUGH AUTH_AMOUNT_NOT_ENOUGH"),
    Row("insufficient_funds", "bank", "The balance of the buyer's bank card is too small.",
        "Ask the buyer to pay by other means.", "BUYER_BANKCARD_BALANCE_NOT_ENOUGH"),
    Row("limit_exceeded", "customer", "The amount is above the buyer's limit.",
        "Ask the buyer to pay by other means or on another day.",
        "BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR"
        " CYCLE_PAY_SINGLE_FEE_EXCEED CYCLE_PAY_TOTAL_FEE_EXCEED CYCLE_PAY_TOTAL_TIMES_EXCEED"
        " ZM_AUTH_AMOUNT_EXCEED ZM_AUTH_RULE_LIMIT"),
    Row("limit_exceeded", "merchant", "The amount is above the shop's receiving limit.",
        "Have the limit raised in the Alipay console; take this payment by other means.",
        "BEYOND_PAY_RESTRICTION BEYOND_PER_RECEIPT_RESTRICTION BEYOND_PER_RECEIPT_DAY_RESTRICTION"
        " BEYOND_PER_RECEIPT_SINGLE_RESTRICTION PRODUCT_AMOUNT_LIMIT_ERROR TOTAL_FEE_EXCEED"
        " REQUEST_AMOUNT_EXCEED MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT"
        " MERCHANT_PERM_RECEIPT_SINGLE_LIMIT MERCHANT_PERM_RECEIPT_DAY_LIMIT"
        " OVER_MAX_DEDUCT_COUNT OVER_MAX_UNDER_WAY_DEDUCT_COUNT OVER_MERCHANT_DAILY_DEDUCT_AMOUNT"),
    Row("risk_rejected", "risk", "Alipay's risk control refused the payment.",
        "Ask the buyer to pay by other means; if it happens often, ask Alipay's support.",
        "PAYMENT_REQUEST_HAS_RISK MERCHANT_RISK_LIMIT"),
    Row("risk_rejected", "risk", "The shop's account is blocked.",
        "Call Alipay's merchant service (95188).", "SELLER_BEEN_BLOCKED"),
    Row("payer_restricted", "customer", "The buyer's account may not pay this.",
        "Ask the buyer to look at the hint in the Alipay app, or to pay by other means.",
        "BUYER_ENABLE_STATUS_FORBID ERROR_BALANCE_PAYMENT_DISABLE MOBILE_PAYMENT_SWITCH_OFF"
        " USER_FACE_PAYMENT_SWITCH_OFF ERROR_BUYER_CERTIFY_LEVEL_LIMIT BUYER_SELLER_EQUAL"
        " TRADE_BUYER_NOT_MATCH BUYER_NOT_EXIST NO_PAYMENT_INSTRUMENTS_AVAILABLE"
        " NOT_CERTIFIED_USER BUYER_NOT_MAINLAND_CERT PAYER_UNMATCHED CARD_USER_NOT_MATCH"
        " CARD_TYPE_ERROR BUYER_UNSUPPORT_ADVANCE CUSTOMER_VALIDATE_ERROR ZM_CREDIT_AUTH_FAIL"
        " BUYER_ERROR"),
    Row("credential_invalid", "customer", "The payment code or agreement is no longer valid.",
        "Scan a fresh payment code, or have the buyer sign the agreement again.",
        "PAYMENT_AUTH_CODE_INVALID AUTH_TOKEN_IS_NOT_EXIST AUTH_NO_ERROR AGREEMENT_NOT_EXIST"
        " AGREEMENT_INVALID AGREEMENT_STATUS_NOT_NORMAL AGREEMENT_ERROR AUTH_ORDER_NOT_PAID"
        " AUTH_ORDER_HAS_FINISHED AUTH_ORDER_HAS_CLOSED"),
    Row("channel_error", "bank", "The bank refused or could not be reached.",
        "Ask the buyer to try again or to pay by other means.",
        "PAYMENT_FAIL NOT_SUPPORT_PAYMENT_INST"),
    Row("channel_error", "channel", "The cashier could not be opened.",
        "Ask the buyer to scan again.", "PULL_MOBILE_CASHIER_FAIL"),
    Row("user_cancelled", "customer", "The buyer cancelled.", "Nothing to do.", "6001"),
    Row("channel_error", "customer", "The buyer's phone had no network.",
        "Query the order, then let the buyer try again.", "6002", is_known=False),
    Row(None, None, "The order is paid already.", "Query the order; do not take the money again.",
        "TRADE_HAS_SUCCESS 5000", is_known=False),
)

TRADES = (
    Row("merchant_config", "merchant", "The request is not as the channel wants it.",
        "Tell the developer: the raw text names the field.",
        "INVALID_PARAMETER INVAILID_ARGUMENTS INVALID_ARGUMENTS ILLEGAL_ARGUMENT ILLEGAL_REQUEST"
        " AMOUNT_OR_CURRENCY_ERROR CURRENCY_NOT_SUPPORT EXIST_FORBIDDEN_WORD"
        " SUB_GOODS_SIZE_MAX_COUNT CYCLE_PAY_DATE_NOT_MATCH TYPE_NOT_SUPPORTED"
        " CERT_EXPIRED REFUND_FEE_ERROR"),
    Row("merchant_config", "merchant", "The order number was used before with other details.",
        "Query the order; create a new one only when this one is closed.",
        "CONTEXT_INCONSISTENT APPLY_PC_MERCHANT_CODE_ERROR", is_known=False),
    Row("merchant_config", "merchant", "The trade is closed, or refunded in full already.",
        "Query the trade and its refunds.", "TRADE_HAS_CLOSE"),
    Row("merchant_config", "merchant", "The order's time to pay is over.",
        "Create a new order.", "NOW_TIME_AFTER_EXPIRE_TIME_ERROR OVER_DEDUCT_PERIOD"),
    Row("merchant_config", "merchant", "The trade's state does not allow this.",
        "Query the trade.",
        "TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID REASON_ILLEGAL_STATUS ILLEGAL_SETTLE_STATE"),
    Row("merchant_config", "merchant", "The channel knows no such trade.",
        "Check the number, and that it belongs to this app.",
        "TRADE_NOT_EXIST MERCHANT_TRADE_NOT_MATCH"),
    Row("merchant_config", "merchant", "The shop's contract or account does not allow this.",
        "Look at the signed products and the account in the Alipay console.",
        "ACCESS_FORBIDDEN PARTNER_ERROR SUB_MERCHANT_CREATE_FAIL SUB_MERCHANT_TYPE_INVALID"
        " MERCHANT_AGREEMENT_NOT_EXIST MERCHANT_AGREEMENT_INVALID MERCHANT_STATUS_NOT_NORMAL"
        " MERCHANT_UNSUPPORT_ADVANCE ORDER_UNSUPPORT_ADVANCE SECONDARY_MERCHANT_STATUS_ERROR"
        " SECONDARY_MERCHANT_ALIPAY_ACCOUNT_INVALID INVALID_RECEIVE_ACCOUNT SELLER_NOT_EXIST"
        " PRE_AUTH_PROD_CODE_INCONSISTENT SECONDARY_MERCHANT_ID_INVALID"
        " SECONDARY_MERCHANT_NOT_MATCH SECONDARY_MERCHANT_ID_BLANK SMILE_PAY_MERCHANT_NOT_MATCH"
        " SECONDARY_MERCHANT_ISV_PUNISH_INDIRECT RESTRICTED_MERCHANT_INDUSTRY"
        " PLATFORM_BUSINESS_ACQUIRE_MODE_MUST_MERCHANT_ID USER_LOGONID_DUP"
        " RISK_MERCHANT_IP_NOT_EXIST UN_SUPPORT_TRADE_SCENE DEFAULT_SETTLE_RULE_NOT_EXIST"
        " UNBOUND_APPLICATION BIZ_PRODUCT_NOT_ALLOWED ERROR_SELLER_CERTIFY_LEVEL_LIMIT"
        " OPEN_ID_NOT_TINY_APP PRODUCT_NOT_SUPPORT_IN_TINY_APP"
        " SECONDARY_MERCHANT_CARD_ALIAS_NO_INVALID OPENID_APPID_NOT_MATCH"
        " AGREEMENT_CHECK_FAIL USER_AGREEMENT_CHECK_FAIL ISV_BUSINESS_FAILED"
        " ENTERPRISE_PAY_BIZ_ERROR"),
    Row("merchant_config", "merchant", "The store is not known to the channel.",
        "Correct the store's number.", "INVALID_STORE_ID STORE_INFO_INVALID"),
)

REFUNDING = (
    Row("insufficient_funds", "merchant", "The shop's balance is too small for the refund.",
        "Top up the Alipay balance, then ask for the refund again.", "SELLER_BALANCE_NOT_ENOUGH"),
    Row("merchant_config", "merchant",
        "A refund under this number exists already, with another amount.",
        "Query that refund; give the new one another number.", "DISCORDANT_REPEAT_REQUEST",
        is_known=False, is_first_final=True),
    Row("merchant_config", "merchant", "The time in which this trade can be refunded is over.",
        "Settle it with the buyer by bank transfer.", "TRADE_HAS_FINISHED"),
    Row("merchant_config", "merchant", "This trade cannot be refunded, or not in part.",
        "Refund it in full, or settle it with the buyer directly.",
        "TRADE_NOT_ALLOW_REFUND NOT_ALLOW_PARTIAL_REFUND ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND"),
    Row("merchant_config", "merchant", "The refund is larger than what is left of the trade.",
        "Query the trade's refunds and correct the amount.",
        "REFUND_AMT_NOT_EQUAL_TOTAL REASON_TRADE_REFUND_FEE_ERR"),
    Row("payer_restricted", "channel", "The trade or an account is frozen.",
        "Call Alipay's merchant service (95188).",
        "REASON_TRADE_BEEN_FREEZEN USER_ACCOUNT_HAD_FREEZEN USER_NOT_MATCH_ERR"),
    Row("merchant_config", "merchant", "The account or contract for advance refunds is wrong.",
        "Look at the refund account in the Alipay console.",
        "REFUND_ACCOUNT_NOT_EXIST OVERDRAFT_ASSIGN_ACCOUNT_INVALID OVERDRAFT_AGREEMENT_NOT_MATCH"),
    Row("channel_error", "channel", "The fee could not be given back; nothing was refunded.",
        "Ask for the refund again later.", "REFUND_CHARGE_ERROR", may_repeat=True),
    Row("merchant_config", "merchant", "Too late to cancel this payment.",
        "Refund it instead.", "TRADE_CANCEL_TIME_OUT CANCEL_NOT_ALLOWED"),
)

SPLITTING = (
    Row("merchant_config", "merchant", "A receiver of the split has not allowed its return.",
        "Have the receiver allow it (分账回退授权), or refund without it.",
        "REFUNDALLOC_UNAUTH_LIMIT REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST"),
    Row("merchant_config", "merchant", "The amounts of the split do not fit the trade.",
        "Correct the amounts.", "ALLOC_AMOUNT_VALIDATE_ERROR INVALID_REPLENISH_AMOUNT"),
    Row("insufficient_funds", "merchant", "An account of the split holds too little money.",
        "Top it up, then split again under the same number.",
        "TXN_RESULT_ACCOUNT_BALANCE_NOT_ENOUGH ROYALTY_PAYER_ACCOUNT_NO_BALANCE"
        " ROYALTY_RECEIVER_ACCOUNT_NO_BALANCE"),
    Row("merchant_config", "merchant", "A split under this number exists already.",
        "Query that split.", "DUP_OUT_REQUEST_NO", is_known=False),
    Row("channel_error", "channel", "The channel could not split or settle the trade.",
        "Query it; if it stays so, ask Alipay's support.", "TRADE_SETTLE_ERROR"),
    Row("merchant_config", "merchant", "This trade cannot be split, or not any more.",
        "Query the trade and its splits.",
        "ALREADY_FINISH_ALLOC ALLOC_REFUSE_AFTER_REFUND ALLOC_REFUSE_BEFORE_SETTLE"
        " NOT_SUPPORT_ROYALTY SETTLE_TO_CARD_NOT_SUPPORT SETTLE_SCENE_NOT_SUPPORT"
        " ASYNC_ALLOC_NOT_SUPPORT_IN_PERIOD UN_SUPPORT_BIZ_TYPE"),
    Row("merchant_config", "merchant", "An account of the split is wrong or not usable.",
        "Correct the receivers.",
        "ROYALTY_RECEIVER_INVALID ROYALTY_ACCOUNT_NOT_EXIST ROYALTY_ACCOUNT_INVALID"
        " SETTLE_ENTITY_ID_INVALID ROYALTY_ACCOUNTS_EQUAL ROYALTY_PAYER_ACCOUNT_NOT_EXIST"
        " ROYALTY_RECEIVER_ACCOUNT_NOT_EXIST ROYALTY_PAYER_ACCOUNT_NOT_CERTIFY"
        " ROYALTY_RECEIVER_ACCOUNT_NOT_CERTIFY ROYALTY_ACCOUNT_NAME_NOT_MATCH"
        " REPLENISH_ACCOUNT_INVALID MUST_ALLOC_FROM_ROOT_ACCOUNT"),
)

BILLS = (
    Row("merchant_config", "merchant", "There is no bill: not made yet, or no trades that day.",
        "Ask again after 09:30 of the next day.", "BILL_NOT_EXIST NO_BILL_DATA"),
    Row("merchant_config", "merchant", "The day lies before the shop's registration.",
        "Ask for a later day.", "BILL_DATE_BEFORE_REGISTRATION"),
)

GATEWAY = (
    Row("merchant_config", "merchant", "The authorisation of this app has ended or is not valid.",
        "Have the merchant authorise the app again and set the new app_auth_token.",
        "20001 INVALID_AUTH_TOKEN AUTH_TOKEN_TIME_OUT INVALID_APP_AUTH_TOKEN"
        " INVALID_APP_AUTH_TOKEN_NO_API APP_AUTH_TOKEN_TIME_OUT NO_PRODUCT_REG_BY_PARTNER"
        " NOT_SUPPORT_APP_AUTH ACCESS_DATA_TIME_OUT INVALID_AUTH_RELATIONS"
        " INVALID_APP_AUTH_RELATIONS APP_UNBIND_PARTNER MISSING_SESSION MISSING_APP_ACCESS_TOKEN"
        " INVALID_SUBSCRIBE_RELATIONS SEVICE_NOT_BEEN_SUBSCRIBED_TO"),
    Row("merchant_config", "merchant", "The channel does not accept our signature.",
        "Check the application private key against the public key in the console (mdash check).",
        "INVALID_SIGNATURE MISSING_SIGNATURE MISSING_SIGNATURE_TYPE MISSING_SIGNATURE_KEY"
        " MISSING_DEFAULT_SIGNATURE_TYPE INVALID_SIGNATURE_TYPE"
        " INVALID_SIGNATURE_TYPE_SAID_INTERFACE MISSING_SIGNATURE_CONFIG"
        " UNSUPPORTED_EXPIRED_APP_KEY_SIGN APP_KEY_SECURITY_RISK"),
    Row("merchant_config", "merchant", "The channel does not accept our certificates.",
        "Download the three certificate files again from the console.",
        "APP_CERT_EXPIRED APP_CERT_NOT_EXIST ALIPAY_CERT_NOT_EXIST MISSING_APP_CERT_SN"
        " MISSING_ALIPAY_CERT_SN MISSING_ALIPAY_ROOT_CERT_SN INVALID_ALIPAY_ROOT_CERT_SN"),
    Row("merchant_config", "merchant", "The app id is wrong for this gateway, or the app is not online.",
        "Check app_id and gateway_url: sandbox and production do not mix.",
        "INVALID_APP_ID MISSING_APP_ID NOT_ONLINE_APP INVALID_APP_STATE MISSING_APP_UID"
        " APP_INVALID_OID INVALID_PARTNERID"),
    Row("merchant_config", "merchant", "The content encryption does not fit the channel's.",
        "Check aes_key_file and encrypt_type against the console (接口内容加密).",
        "DECRYPTION_ERROR DECRYPTION_ERROR_MISSING_ENCRYPT_TYPE"
        " DECRYPTION_ERROR_NOT_VALID_ENCRYPT_TYPE DECRYPTION_ERROR_NOT_VALID_ENCRYPT_KEY"
        " DECRYPTION_ERROR_UNKNOWN MISSING_ENCRYPT_TYPE MISSING_ENCRYPT_KEY INVALID_ENCRYPT_TYPE"
        " INVALID_ENCRYPT"),
    Row("merchant_config", "merchant", "This machine's clock is wrong, or the time is not as wanted.",
        "Set the clock by NTP.",
        "INVALID_TIMESTAMP ILLEGAL_TIMESTAMP MISSING_TIMESTAMP"),
    Row("merchant_config", "merchant", "The app has no right to call this.",
        "Add and sign the product in the Alipay console.",
        "40006 INSUFFICIENT_ISV_PERMISSIONS INSUFFICIENT_USER_PERMISSIONS SELF_INVOKE_FORBIDDEN"
        " FORBIDDEN_API APP_API_PUNISHED ILLEGAL_CLIENT_IP UNSUPPORT_OPERATION INVALID_PRODUCT"
        " INNER_APP_NO_ACCESS INVALID_INNER_INVOKE_SCENE INVALID_APP_METHOD OPENID_ERROR"
        " INVALID_APP_API_FIELD_CONFIG"),
    Row("merchant_config", "merchant", "The gateway does not understand the request.",
        "Tell the developer: the raw text names the parameter.",
        "40001 40002 40003 MISSING_METHOD INVALID_METHOD MISSING_VERSION INVALID_VERSION"
        " UNSUPPORTED_VERSION INVALID_FORMAT INVALID_CHARSET INVALID_ENCODING INVALID_DIGEST_TYPE"
        " INVALID_DIGEST ILLEGAL_JSON ILLEGAL_CARD_NO SUSPECTED_ATTACK INVALID_REQUEST_DATA"
        " INVALID_RESPONSE_DATA MISSING_PLATFORM INVALID_PLATFORM METHOD_FORBIDDEN_BATCH_INVOKE"
        " EXIST_BLANK_SUB_REQUEST_ID EXIST_REPEATED_SUB_REQUEST_ID UPLOAD_FAIL"
        " INVALID_FILE_EXTENSION INVALID_FILE_SIZE FILE_CHECK_FAIL"),
)

NOT_PAID_YET = Row(None, None, "Not paid yet: the buyer has not reached the cashier.",
                   "Wait, or close the order.", "TRADE_NOT_EXIST")
BY_CALL = {
    ("trade.query", "TRADE_NOT_EXIST"): NOT_PAID_YET,
    ("trade.close", "TRADE_NOT_EXIST"): Row(
        None, None, "There is nothing to close: the buyer has not reached the cashier.",
        "Do not use the order's code any more.", "TRADE_NOT_EXIST"),
}
"""Where a code means something else in one call."""

ROWS = (SUCCESS, WAITING, OPEN, LIMITED, *PAYING, *TRADES, *REFUNDING, *SPLITTING, *BILLS, *GATEWAY)
TABLE = {code: row for row in ROWS for code in row.codes.split()}


def sentences() -> set[str]:
    """All templates of the table."""
    rows = (*ROWS, UNFAMILIAR, *BY_CALL.values())
    return {row.text for row in rows} | {row.action for row in rows}

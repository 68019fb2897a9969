"""Asking WeChat Pay for bills: 申请交易账单 and 申请资金账单 of API v3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from loaders.channels.protocol import Call, Message, Reply, Stamp
from loaders.channels.wechatpay.credentials import Credentials
from loaders.channels.wechatpay.meanings import bare
from loaders.channels.wechatpay.replies import NO_ANSWER, Node, Reading, read
from loaders.channels.wechatpay.requests import message
from loaders.errors import RefusedInput
from loaders.exchange import BillLink, BillQuestion
from loaders.records import Answer, BillTerms

BILL = "wechatpay.bill"
BILL_TERMS = BillTerms(kept_days=90)
_PATHS = {
    "trade": ("/v3/bill/tradebill", {"bill_type": "ALL"}),
    "account": ("/v3/bill/fundflowbill", {"account_type": "BASIC"}),
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")


def ask_bill(question: BillQuestion, keys: Credentials, stamp: Stamp) -> Message:
    """Ask where a day's bill lies; the address lapses after five minutes."""
    if not _DAY.fullmatch(question.period) or question.kind not in _PATHS:
        raise RefusedInput("WeChat Pay's bills are asked for by kind (trade, account) and day.")
    path, chosen = _PATHS[question.kind]
    query = urlencode({"bill_date": question.period, **chosen, "tar_type": "GZIP"})
    return message(BILL, "GET", f"{path}?{query}", keys, stamp, may_repeat=True)


def read_bill(reply: Reply, question: BillQuestion, keys: Credentials) -> Answer[BillLink]:
    """Where the bill lies and its digest, or that there is none: not made yet, or no trades."""
    del question

    def link(node: Node) -> Reading[BillLink]:
        url, digest = node.text("download_url"), node.text("hash_value") or ""
        if url is None or node.text("hash_type") != "SHA1" or not _SHA1.fullmatch(digest):
            raise RefusedInput(NO_ANSWER)
        return Reading(BillLink("ready", url, digest.lower()))

    return read(reply, BILL, keys, link, {
        bare("NO_STATEMENT_EXIST"): Reading(BillLink("empty")),
        bare("STATEMENT_CREATING"): Reading(BillLink("absent")),
    })


CALLS: Mapping[str, Call] = {"bill": Call(BillQuestion, ask_bill, read_bill)}

"""No altered reply is ever accepted, and no reply, signed or not, makes a reader fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.channels.alipay import trade
from loaders.channels.protocol import Reply
from tests.channels.alipay_desk import STAMP, Desk
from tests.channels.test_alipay_calls import REQUESTS
from tests.channels.test_alipay_trade import M1, PAID, QUERY

QUICK, SLOW = 200, 10_000
EVERYWHERE = {"deadline": None, "suppress_health_check": list(HealthCheck)}

edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "copy", "put"]),
        st.integers(0, 2**16), st.integers(1, 40), st.binary(min_size=1, max_size=8),
    ),
    min_size=1, max_size=4,
)
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["10000", "88.88", "M1", "TRADE_SUCCESS", "Y", "REFUND_SUCCESS", "", "-1",
                     "2026-11-01 10:00:00", "9" * 400, "\ud800", "1e9", "NaN", "T1", "10.00"]),
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
names = st.sampled_from([
    "code", "sub_code", "msg", "sub_msg", "out_trade_no", "trade_no", "total_amount",
    "trade_status", "send_pay_date", "fund_bill_list", "fund_change", "refund_fee",
    "refund_status", "refund_amount", "out_request_no", "deposit_back_info", "buyer_logon_id",
    "royalty_detail_list", "detail_list", "page_no", "total_size", "bill_download_url",
    "available_amount", "action", "retry_flag", "settle_no", "qr_code",
])
nodes = st.dictionaries(names, values, max_size=8).map(
    lambda fields: {"code": "10000", "out_trade_no": "M1", "trade_no": "T1"} | fields
)


def edited(body: bytes, steps: list[tuple[str, int, int, bytes]]) -> bytes:
    for kind, where, length, piece in steps:
        at = where % (len(body) or 1)
        match kind:
            case "flip":
                body = body[:at] + bytes([(body[at] if body else 0) ^ piece[0]]) + body[at + 1 :]
            case "cut":
                body = body[:at] + body[at + length :]
            case "copy":
                body = body[:at] + body[at : at + length] * 2 + body[at + length :]
            case _:
                body = body[:at] + piece + body[at:]
    return body


def check_alterations(desk: Desk, count: int) -> None:
    genuine = desk.answer(QUERY, **PAID)
    truth = trade.read_query(genuine, M1, desk.keys).data

    @settings(max_examples=count, **EVERYWHERE)
    @given(edits)
    def never_accepted(steps: list[tuple[str, int, int, bytes]]) -> None:
        reply = Reply(200, genuine.headers, edited(genuine.body, steps))
        answer = trade.read_query(reply, M1, desk.keys)
        assert answer.data in (None, truth)
        assert answer.is_known is (answer.data is not None)
        assert answer.data is not None or answer.noted == {}

    never_accepted()


def check_readers(desk: Desk, count: int) -> None:
    methods = {name: trade.CALLS[name].ask(request, desk.keys, STAMP).method
               for name, request in REQUESTS.items()}

    @settings(max_examples=count, **EVERYWHERE)
    @given(st.sampled_from(sorted(REQUESTS)), nodes, st.booleans(), st.binary(max_size=60))
    def never_fails(name: str, node: dict[str, Any], is_signed: bool, raw: bytes) -> None:
        call, request = trade.CALLS[name], REQUESTS[name]
        method = methods[name]
        text = json.dumps(node)
        root = method.replace(".", "_") + "_response"
        reply = desk.signed(text, method) if is_signed else desk.reply(f'{{"{root}":{text}}}')
        answer = call.read(reply, request, desk.keys)
        assert answer.is_verified is is_signed or answer.why is not None
        assert is_signed or (answer.data is None and not answer.is_known)
        assert call.read(Reply(200, {}, raw), request, desk.keys).data is None

    never_fails()


def test_no_altered_reply_is_accepted(desk: Desk) -> None:
    check_alterations(desk, QUICK)


def test_no_node_makes_a_reader_fail(desk: Desk) -> None:
    check_readers(desk, QUICK)


@pytest.mark.slow
def test_no_altered_reply_is_accepted_of_ten_thousand(desk: Desk) -> None:
    check_alterations(desk, SLOW)


@pytest.mark.slow
def test_no_node_of_ten_thousand_makes_a_reader_fail(desk: Desk) -> None:
    check_readers(desk, SLOW)

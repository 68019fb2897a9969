"""One gateway: its keys, its ledger, its clock and its manners; a request in, an answer out."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sample_data.files import yuan
from sample_data.gateway.envelope import Call, Reply, open_call, sealed, signed
from sample_data.gateway.keys import GatewayKeys
from sample_data.gateway.ledger import Ledger, Trade
from sample_data.gateway.misbehaviour import Behaviour, Plans
from sample_data.gateway.refusals import MESSAGES, Refused, business

OPENING_FEN = 100_000_00
_BEFORE = {
    "rate_limit": ("40005", "isv.app-call-limited"),
    "unavailable_before": ("20000", "isp.unknow-error"),
    "system_error_before": ("40004", "ACQ.SYSTEM_ERROR"),
}
_AFTER = {
    "unavailable_after": ("20000", "isp.unknow-error"),
    "system_error_after": ("40004", "ACQ.SYSTEM_ERROR"),
}
_MISSPELT = {"alipay.trade.cancel": {"ACQ.SYSTEM_ERROR": "AQC.SYSTEM_ERROR"}}
_ZEROES = {
    "alipay.trade.query": ("buyer_pay_amount", "invoice_amount", "point_amount", "receipt_amount"),
    "alipay.trade.pay": ("buyer_pay_amount", "invoice_amount", "point_amount", "receipt_amount"),
    "alipay.trade.refund": ("refund_fee", "send_back_fee"),
}


def china_now() -> datetime:
    """The channel's clock: China time, naive."""
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=8)


@dataclass(slots=True)
class Manners:
    """What differs between contracts and situations. All can be changed while running.

    `speed` divides every waiting time of the retry ladder and of buyers. `auto_pay_s`: buyers pay
    by themselves after so long (None: only when told to). `empty_days`: what a day without trades
    is answered with: `file`, or an error's sub-code. `password_above_fen`: a bar-code payment above
    it waits for the buyer's password.
    """

    speed: float = 1.0
    auto_pay_s: float | None = None
    is_shuffled: bool = False
    empty_days: str = "file"
    notifies: str = "paid,refund,close"
    notify_url: str = ""
    password_above_fen: int = 1_000_00
    link_s: int = 30

    def change(self, document: Mapping[str, Any]) -> None:
        """Set some of them by name. Raises KeyError for a name that is none of them."""
        known = {item.name for item in fields(self)}
        for name, value in document.items():
            if name not in known:
                raise KeyError(name)
            setattr(self, name, value)


class Clock:
    """The gateway's clock; it can be put forward."""

    def __init__(self, now: Callable[[], datetime] = china_now) -> None:
        self._now = now
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return self._now() + self._ahead

    def forward(self, seconds: float) -> None:
        """Put the clock forward, for links, expiry and bills to come of age at once."""
        self._ahead += timedelta(seconds=seconds)


Handler = Callable[["Gateway", Call], dict[str, Any]]
Told = Callable[[str, Trade, Any], None]


class Gateway:
    """The channel as a merchant sees it. `told` hears of every change: paid, refund, close."""

    def __init__(
        self, keys: GatewayKeys, ledger: Ledger | None = None, *, manners: Manners | None = None,
        clock: Clock | None = None, seed: int = 1,
    ) -> None:
        self.keys = keys
        self.ledger = ledger if ledger is not None else Ledger(OPENING_FEN)
        self.manners = manners or Manners()
        self.clock = clock or Clock()
        self.plans = Plans()
        self.chance = random.Random(seed)
        self.base_url = "http://127.0.0.1"
        self.links: dict[str, tuple[str, str, datetime]] = {}
        self.told: Told = _unheard

    def answer(self, request: Mapping[str, str], behaviour: Behaviour | None = None) -> Reply:
        """The answer to a request of these fields; the call is done unless `behaviour` says no."""
        bad = behaviour or Behaviour({})
        is_clear, is_signed = True, True
        try:
            call = open_call(request, self.keys)
            is_clear = False
            node = self._done(call, bad)
        except Refused as refused:
            node, is_signed = refused.node, refused.is_signed
            if not is_clear:
                node = _as_refused(call, node)
        reply = sealed(
            request, node, self.keys, self.chance, is_clear=is_clear, is_signed=is_signed,
            is_shuffled=self.manners.is_shuffled or "shuffled" in bad,
        )
        return self._spoiled(reply, bad)

    def _done(self, call: Call, bad: Behaviour) -> dict[str, Any]:
        from sample_data.gateway.methods import METHODS

        for kind, (code, sub_code) in _BEFORE.items():
            if kind in bad:
                raise Refused(code, sub_code)
        if "refuse" in bad:
            raise business(bad.asked["refuse"])
        handler = METHODS.get(call.method)
        if handler is None:
            raise Refused("40002", "isv.invalid-method")
        self.tidy()
        node = {"code": "10000", "msg": MESSAGES["10000"]} | handler(self, call)
        for kind, (code, sub_code) in _AFTER.items():
            if kind in bad:
                raise Refused(code, sub_code)
        return _distorted(node, bad)

    def _spoiled(self, reply: Reply, bad: Behaviour) -> Reply:
        if "duplicate_node" in bad:
            reply = replace(reply, extra=((reply.name, reply.node),), node=_forged(reply.node))
        if "wrongly_signed" in bad:
            other = signed(replace(reply, node=reply.node + " "), self.keys, "RSA2")
            reply = replace(reply, signature=other.signature)
        if "unsigned" in bad:
            reply = replace(reply, signature=None, cert_sn=None)
        return reply

    def tidy(self) -> None:
        """Close what was not paid in time."""
        for trade in self.ledger.expire(self.clock()):
            self.told("close", trade, None)

    def pay(self, order_no: str) -> Trade:
        """The buyer of this order pays now. Raises Refused."""
        self.tidy()
        trade = self.ledger.order(order_no)
        if trade is None:
            raise business("ACQ.TRADE_NOT_EXIST")
        self.ledger.pay(trade, self.clock())
        self.told("paid", trade, None)
        return trade


def _as_refused(call: Call, node: dict[str, str]) -> dict[str, Any]:
    """An error of the business as the channel writes it: amounts of 0.00, and its own misspellings."""
    spelt = _MISSPELT.get(call.method, {}).get(node["sub_code"], node["sub_code"])
    zeroes = dict.fromkeys(_ZEROES.get(call.method, ()), "0.00")
    order_no = call.text("out_trade_no")
    echo = {"out_trade_no": order_no} if zeroes and order_no else {}
    return {**node, "sub_code": spelt, **zeroes, **echo}


def _unheard(_what: str, _trade: Trade, _detail: Any) -> None:
    """Nobody listens."""


def _forged(node: str) -> str:
    """The node as an attacker would like it: paid, whatever it said."""
    rest = "," + node[1:] if node.startswith("{") else "}"
    return '{"code":"10000","msg":"Success","trade_status":"TRADE_SUCCESS"' + rest


def _distorted(node: dict[str, Any], bad: Behaviour) -> dict[str, Any]:
    if "fund_change_n" in bad and "fund_change" in node:
        node["fund_change"] = "N"
    if "other_order" in bad:
        node["out_trade_no"] = f"{node.get('out_trade_no', '')}X"
        node["trade_no"] = "9" * 28
    if "other_amount" in bad:
        for name in ("total_amount", "refund_fee", "refund_amount", "receipt_amount"):
            if name in node:
                node[name] = yuan(1)
    return node

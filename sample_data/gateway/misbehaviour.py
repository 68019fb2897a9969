"""How the gateway misbehaves on request: what is asked for, for which calls, and how often.

A request names it in the header `X-Misbehave`; `POST /control/misbehave` plans it for calls to come.
Several are joined by commas: `slow=2,unsigned`.

| word | what the caller sees |
|---|---|
| `slow=S` | the answer begins S seconds late |
| `drip=S` | the answer comes byte by byte and takes S seconds |
| `silent_before`, `silent_after` | no answer at all until the caller gives up |
| `reset_before`, `reset_after` | the connection is reset |
| `unavailable_before`, `unavailable_after` | 20000 isp.unknow-error |
| `system_error_before`, `system_error_after` | 40004 ACQ.SYSTEM_ERROR |
| `bad_gateway_before`, `bad_gateway_after` | an HTML page with status 502 |
| `rate_limit` | 40005 isv.app-call-limited; nothing is done |
| `refuse=SUB_CODE` | 40004 with that sub-code; nothing is done |
| `fund_change_n` | the money moves and the answer says fund_change N |
| `other_order`, `other_amount` | a signed answer about another order, or another amount |
| `unsigned`, `wrongly_signed` | no signature, or one by another key |
| `duplicate_node` | the genuine node and a forged one under the same name |
| `shuffled` | the root's keys in any order |
| `stale`, `probe`, `other_serial` | WeChat Pay: signed ten minutes ago, a probe, an unknown key |
| `truncated` | half of the answer, well-formed HTTP |
| `cut_off` | half of the promised bytes, then the connection ends |

`_before` is before anything is done, `_after` is after the money moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_TIMED = ("slow", "drip")
_SIDED = ("silent", "reset", "unavailable", "system_error", "bad_gateway")
_PLAIN = (
    "rate_limit", "fund_change_n", "other_order", "other_amount", "unsigned", "wrongly_signed",
    "duplicate_node", "shuffled", "truncated", "cut_off", "stale", "probe", "other_serial",
)
KINDS = frozenset(
    {*_TIMED, *_PLAIN, "refuse", *(f"{k}_{side}" for k in _SIDED for side in ("before", "after"))}
)


class UnknownMisbehaviour(ValueError):
    """A word that is not in the table."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one call is to be answered: each word asked for, and its value if it takes one."""

    asked: dict[str, str]

    def __contains__(self, kind: str) -> bool:
        return kind in self.asked

    def seconds(self, kind: str) -> float:
        """The seconds of `slow` or `drip`, 0 if not asked for."""
        return float(self.asked.get(kind) or 0)


def read_behaviour(text: str) -> Behaviour:
    """Read `slow=2,unsigned`. Raises UnknownMisbehaviour."""
    asked: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        kind, _, value = item.partition("=")
        if kind not in KINDS or (kind == "refuse" and not value):
            raise UnknownMisbehaviour(item)
        if kind in _TIMED:
            try:
                float(value)
            except ValueError as error:
                raise UnknownMisbehaviour(item) from error
        asked[kind] = value
    return Behaviour(asked)


@dataclass(slots=True)
class Plan:
    """A behaviour for calls to come: of a method, about an order, so many times (None: always)."""

    behaviour: Behaviour
    method: str = ""
    order: str = ""
    times: int | None = 1

    def fits(self, method: str, orders: set[str]) -> bool:
        """True if the plan is for such a call."""
        return (not self.method or self.method == method) and (not self.order or self.order in orders)


class Plans:
    """What was planned through the control endpoint."""

    def __init__(self) -> None:
        self._plans: list[Plan] = []

    def add(self, document: dict[str, Any]) -> Plan:
        """Plan `{"how": "reset_after", "method": …, "order": …, "times": 1}`."""
        times = document.get("times", 1)
        plan = Plan(
            read_behaviour(str(document.get("how", ""))),
            str(document.get("method") or ""),
            str(document.get("order") or ""),
            None if times is None else int(times),
        )
        self._plans.append(plan)
        return plan

    def clear(self) -> None:
        """Behave again."""
        self._plans.clear()

    def take(self, method: str, orders: set[str], header: str = "") -> Behaviour:
        """The behaviour for this call; a plan that is used up is gone."""
        if header:
            return read_behaviour(header)
        plan = next((plan for plan in self._plans if plan.fits(method, orders)), None)
        if plan is None:
            return Behaviour({})
        if plan.times is not None:
            plan.times -= 1
            if plan.times <= 0:
                self._plans.remove(plan)
        return plan.behaviour

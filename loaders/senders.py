"""Who sends messages that do not verify: counted, slowed down, never named in full."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic

WINDOW_S = 60.0
REFUSALS_PER_SENDER = 20
REFUSALS_LOGGED = 60
MAX_SENDERS = 4_096


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=MAX_SENDERS)
def masked(host: str) -> str:
    """The network an address lies in (/24, /48 for IPv6), which names no single machine."""
    address = _address(host)
    if address is None:
        return "?"
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


class BadSenders:
    """Refusals by sender within a minute, in a table of bounded size.

    A sender over the limit is not verified any more until its minute is over. Addresses of this
    machine or its own network are proxies that speak for everybody: they are never slowed down.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._refusals: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._logged = (0.0, 0)

    def is_limited(self, host: str) -> bool:
        """True if this sender sent too much that did not verify."""
        if not self._refusals:
            return False
        began, count = self._refusals.get(_sender(host), (0.0, 0))
        return count >= REFUSALS_PER_SENDER and self._clock() - began < WINDOW_S

    def refuse(self, host: str) -> bool:
        """Count a refusal. Returns whether it should be logged; of a flood only a part is."""
        address, now = _address(host), self._clock()
        if address is not None and address.is_global:
            sender = _sender(host)
            began, count = self._refusals.pop(sender, (now, 0))
            self._refusals[sender] = (began, count + 1) if now - began < WINDOW_S else (now, 1)
            if len(self._refusals) > MAX_SENDERS:
                self._refusals.popitem(last=False)
        began, logged = self._logged
        self._logged = (began, logged + 1) if now - began < WINDOW_S else (now, 1)
        return self._logged[1] <= REFUSALS_LOGGED

    def clear(self, host: str) -> None:
        """A genuine message came from this sender: what it sent before is forgiven."""
        if self._refusals:
            self._refusals.pop(_sender(host), None)


def _sender(host: str) -> str:
    """What counts as one sender: an address, or a /64 of IPv6."""
    address = _address(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)

"""Refunds from request to proof: the only way by which the program gives money back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dashboard.identity.rights import Person
from dashboard.operations.ledger import Ledger
from dashboard.operations.refund_records import Refund, Standing, State, digest_of
from loaders.records import Answer
from loaders.settings import Settings
from loaders.transport import Intent

if TYPE_CHECKING:
    from loaders.store.reader import Reader

__all__ = ["Ask", "Refund", "Refunds", "Standing", "State", "proven_refunds"]


class Ask(Protocol):
    """Asking a channel, as `loaders.remote.Remote.ask` does."""

    def __call__(
        self, channel: str, call: str, *, intent: Intent | None = None, **fields: Any
    ) -> Answer[Any]: ...


class Refunds:
    """All refunds of one home's ledger. Safe to share among threads and processes."""

    def __init__(
        self, settings: Settings, reader: Reader, ledger: Ledger, ask: Ask | None = None
    ) -> None:
        self.settings, self.reader, self.ledger = settings, reader, ledger

    def standing(self, person: Person, channel: str, order_no: str) -> Standing:
        """What may be refunded of an order by this person. Raises RefusedInput for no such order."""
        raise NotImplementedError

    def request(
        self, person: Person, channel: str, order_no: str, amount_fen: int, reason: str, *,
        refund_no: str | None = None, wait_s: float = 0, batch: str | None = None,
    ) -> Refund:
        """Ask for a refund; with `wait_s` it can be withdrawn for so long, otherwise it is sent now.

        The same number again is the same refund. Raises Forbidden or RefusedInput, and then
        nothing was recorded nor sent.
        """
        raise NotImplementedError

    def approve(self, person: Person, refund_no: str, seen: str | None = None) -> Refund:
        """Approve as the second person, and send. `seen`: the digest of what was looked at."""
        raise NotImplementedError

    def decline(self, person: Person, refund_no: str, reason: str) -> Refund:
        """Refuse approval; the amount is free again."""
        raise NotImplementedError

    def withdraw(self, person: Person, refund_no: str) -> Refund:
        """Take a request back while it waits for approval or in its cancel window."""
        raise NotImplementedError

    def send_due(self) -> list[Refund]:
        """Send what is reserved and whose cancel window is over."""
        raise NotImplementedError

    def ask_again(self, person: Person, refund_no: str) -> Refund:
        """Ask the channel about one refund whose outcome is unknown, and repeat it if need be."""
        raise NotImplementedError

    def resolve(self, *, everything: bool = False) -> list[Refund]:
        """Ask about refunds whose outcome is unknown, those whose time has come or everything."""
        raise NotImplementedError

    def refunds(
        self, *, states: Iterable[State] | None = None, channel: str | None = None,
        order_no: str | None = None, limit: int | None = None,
    ) -> list[Refund]:
        """Refunds, newest first."""
        raise NotImplementedError

    def one(self, refund_no: str) -> Refund:
        """One refund. Raises RefusedInput for a number nobody used."""
        raise NotImplementedError

    def digest(self, refund: Refund) -> str:
        """What an approval is bound to: a hash of the exact request."""
        return digest_of(refund)

    def proven(self, channel: str, order_no: str) -> dict[str, int]:
        """Fen of each proven refund of an order by number, from the ledger and what was loaded."""
        raise NotImplementedError


def proven_refunds(loaded: Mapping[str, int], recorded: Sequence[Refund]) -> dict[str, int]:
    """Fen by refund number: those of bills and notifications, and those done in the ledger."""
    found = dict(loaded)
    for refund in recorded:
        if refund.state == "done":
            found[refund.refund_no] = max(refund.amount_fen, found.get(refund.refund_no, 0))
    return found

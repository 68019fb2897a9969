"""The right to be forgotten: one buyer is erased, and the books and cohorts stay right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dashboard.identity.rights import Person
from dashboard.operations.deeds import settle_or_wait
from dashboard.operations.ledger import Ledger
from dashboard.operations.trail import demand
from dashboard.operations.vault import checked_reason
from loaders import deeds
from loaders.channels import CHANNELS, retry_ladders
from loaders.durable_log import day_of, log_files, log_folder
from loaders.errors import RefusedInput
from loaders.privacy import pseudonym, pseudonym_key
from loaders.settings import Settings
from loaders.store import erasure
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done: pseudonyms replaced, their trades, and the last day of messages still kept.

    `kept_since` is the day of the oldest notification log file; whole messages in these files
    still name the buyer until the files' time is over. None where there is none.
    """

    pseudonyms: int
    trades: int
    kept_since: date | None


@dataclass(frozen=True, slots=True)
class Touched:
    """What an erasure would touch: ids of one buyer, and orders in which they stand."""

    ids: int
    orders: int


def preview(
    settings: Settings, ledger: Ledger, reader: Reader, person: Person, buyer: str
) -> Touched:
    """What erasing a buyer would touch. Raises Forbidden, RefusedInput."""
    demand(ledger, person, "administer", "erase a buyer")
    found = _found(settings, reader, buyer)
    return Touched(len(found), erasure.orders_of(reader, found))


def erase(
    settings: Settings, ledger: Ledger, reader: Reader, person: Person, buyer: str, reason: str
) -> Erased:
    """Erase a buyer, named by pseudonym or by the id that the shop or the channel gave.

    Raises Forbidden, RefusedInput, StoreBusy.
    """
    demand(ledger, person, "administer", "erase a buyer")
    why = checked_reason(reason)
    found = _found(settings, reader, buyer)
    with Warehouse(settings, retry_ladders()) as warehouse:
        trades = erasure.erase(warehouse, found)
        token = deeds.ACTOR.set(person.name)
        try:
            deeds.note(settings.home, "erased", "a buyer", reason=why, trades=trades)
        finally:
            deeds.ACTOR.reset(token)
    settle_or_wait(ledger)
    days = [day_of(path) for path in log_files(log_folder(settings.home))]
    return Erased(len(found), trades, min(days, default=None))


def _found(settings: Settings, reader: Reader, buyer: str) -> list[str]:
    found = erasure.known(reader, spellings(settings, buyer.strip()))
    if not found:
        raise RefusedInput("No buyer is known under this id, or the buyer was erased before.")
    return found


def spellings(settings: Settings, text: str) -> list[str]:
    """The id itself, and what a buyer's own id is stored as."""
    key = pseudonym_key(settings.home)
    return [text, *(pseudonym(key, scope, text) for scope in ("shop", *CHANNELS))] if text else []

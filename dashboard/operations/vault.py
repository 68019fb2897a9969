"""Unmasking: what a channel told of one trade's buyer, with a reason, and never unrecorded.

The vault is the notification log itself, which keeps whole messages for a time. Nothing personal is
kept a second time; what the log no longer holds cannot be unmasked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from dashboard import listings
from dashboard.identity.rights import Person
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from dashboard.operations.trail import demand
from loaders.channels import CHANNELS
from loaders.durable_log import log_folder
from loaders.errors import RefusedInput
from loaders.messages import MAX_LINE_BYTES
from loaders.notifications import read_keys
from loaders.privacy import mask_personal, pseudonym, pseudonym_key
from loaders.settings import Settings
from loaders.store.erasure import is_erased
from loaders.store.reader import Reader

FIELDS = {"payer_id": "Buyer's id at the channel", "payer_logon": "Buyer's logon id"}
"""What can be unmasked, in words."""
_SHORTEST, _LONGEST = 5, 200


def checked_reason(reason: str) -> str:
    """A reason as the trail keeps it, without what is personal. Raises RefusedInput."""
    text = " ".join(reason.split())
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise RefusedInput(
            "Give a reason of {least} to {most} characters.", least=_SHORTEST, most=_LONGEST
        )
    return mask_personal(text)


def unmask(
    settings: Settings, ledger: Ledger, reader: Reader, person: Person, channel: str, order_no: str,
    field: str, reason: str,
) -> str:
    """What the channel's own message says of a trade's buyer. Raises Forbidden, RefusedInput."""
    subject = f"{channel}/{order_no}"
    demand(ledger, person, "unmask", subject)
    why = checked_reason(reason)
    if field not in FIELDS:
        raise RefusedInput("There is no field {name} to unmask.", name=field[:40])
    store = listings.one(reader, channel, order_no)["store"]
    demand(ledger, person, "unmask", subject, store, any_store=False)
    told = _told(settings, reader, channel, order_no)
    payer = told.get("payer_id")
    if payer and is_erased(reader, pseudonym(pseudonym_key(settings.home), channel, payer)):
        raise RefusedInput("This buyer was erased; nothing of them is shown.")
    if field not in told:
        raise RefusedInput(
            "No message of this trade that says this is kept here; it never came to this machine, or"
            " its time is over."
        )
    audit.record(ledger, person.name, "unmasked", subject, field=field, reason=why)
    return told[field]


def _told(settings: Settings, reader: Reader, channel: str, order_no: str) -> dict[str, str]:
    """What the kept messages of an order say of its buyer."""
    found: dict[str, str] = {}
    part = CHANNELS[channel].notifications if channel in CHANNELS else None
    if part is None:
        return found
    keys = read_keys(settings, channel).get(channel)
    for line in _lines(settings, reader, channel, order_no):
        envelope = json.loads(line)
        headers, body = envelope.get("headers") or {}, str(envelope.get("body", ""))
        if keys is None or part.read(headers, body, keys).order_no != order_no:
            continue
        found |= part.persons(body, keys)
    return found


def _lines(settings: Settings, reader: Reader, channel: str, order_no: str) -> Iterator[bytes]:
    """The lines of the home's log in which the valid messages of an order stand."""
    places = reader.rows(
        "select distinct load.file, message.line from lake.deliveries as message inner join"
        " lake.loads as load on message.load_id = load.load_id where message.channel = $channel and"
        " message.order_no = $order_no and message.verdict = 'valid' and message.home_day in"
        " (select unnest($days)) order by all",
        {"channel": channel, "order_no": order_no, "days": reader.home_days(order_no)},
    )
    folder = log_folder(settings.home)
    for place in places:
        path = folder / Path(place["file"]).name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            lines = iter(lambda file=file: file.readline(MAX_LINE_BYTES), b"")  # type: ignore[misc]
            yield from islice(lines, place["line"] - 1, place["line"])

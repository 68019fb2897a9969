"""`mdash refund`, `approve`, `refunds` and `resolve`: the same guarded path as the screens take."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from dashboard.terminal import Context, print_json, table_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard.identity.rights import Person
    from dashboard.operations.refunds import Refund
    from dashboard.services import Services

EXITS = {"awaiting_approval": 0, "done": 0, "refused": 4}
STILL_OPEN = 3
_COLUMNS = ("refund_no", "channel", "order_no", "amount_fen", "state", "requested_by", "approved_by",
            "requested_at", "updated_at")


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--amount", required=True, metavar="YUAN", help="Plain decimal yuan, like 12.34.")
@click.option("--reason", required=True, help="Why; the buyer may see it.")
@click.option("--as", "name", required=True, metavar="USER", help="Who answers for it.")
@click.option("--refund-no", metavar="NO", help="Your own number: the same one is the same refund.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def refund(
    context: Context, identifier: str, amount: str, reason: str, name: str, refund_no: str | None,
    as_json: bool,
) -> None:
    """Give money of a paid order back, by any of its ids."""
    from dashboard.operations.policy import fen_of_text

    services = context.services()
    person = _person(services, name, identifier)
    with _refusals(services, person, identifier):
        amount_fen = fen_of_text(amount)
        channel, order_no = _order(services, identifier)
    _end(services, services.refunds.request(
        person, channel, order_no, amount_fen, reason, refund_no=refund_no
    ), as_json)


@click.command()
@click.argument("refund_no")
@click.option("--as", "name", required=True, metavar="USER", help="Who approves: not who asked.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def approve(context: Context, refund_no: str, name: str, as_json: bool) -> None:
    """Approve a refund as the second person, and send it."""
    services = context.services()
    person = _person(services, name, refund_no)
    _end(services, services.refunds.approve(person, refund_no, trusts_login=True), as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def refunds(context: Context, as_json: bool) -> None:
    """Every refund ever recorded, newest first."""
    services = context.services()
    documents = [document(services, item) for item in services.refunds.refunds()]
    if as_json:
        print_json({"refunds": documents})
    else:
        click.echo(table_text(_COLUMNS, documents))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def resolve(context: Context, as_json: bool) -> None:
    """Ask about every refund whose outcome is unknown; what proves nothing is sent again."""
    from dashboard.operations import cancel

    services = context.services()
    looked_at = services.refunds.resolve(everything=True)
    cancel.resolve(services.refunds)
    left = services.refunds.count_open()
    documents = [document(services, item) for item in looked_at]
    if as_json:
        print_json({"refunds": documents, "open": left})
    else:
        click.echo(table_text(_COLUMNS, documents))
    click.echo(
        services.say(
            "{count} refunds were looked at; {left} are still open.", count=len(documents), left=left
        ),
        err=True,
    )
    sys.exit(STILL_OPEN if left else 0)


def document(services: Services, item: Refund) -> dict[str, Any]:
    """A refund as the contract prints it; a reserved one is on its way."""
    why = item.why
    return {
        "refund_no": item.refund_no,
        "channel": item.channel,
        "order_no": item.order_no,
        "trade_no": item.trade_no,
        "amount_fen": item.amount_fen,
        "state": "submitting" if item.state == "reserved" else item.state,
        "requested_by": item.requested_by,
        "approved_by": item.approved_by,
        "reason": item.reason,
        "batch": item.batch,
        "requested_at": services.json_ready(item.requested_at),
        "updated_at": services.json_ready(item.updated_at),
        "sends_at": services.json_ready(item.sends_at),
        "tries": item.tries,
        "message": services.say(why.template, **why.values) if why else None,
    }


def _end(services: Services, item: Refund, as_json: bool) -> None:
    from dashboard.wording.tables import word

    shown = document(services, item)
    if as_json:
        print_json(shown)
    told = word(f"refund_{item.state}", services.say)
    click.echo(f"{item.refund_no}: {' '.join(filter(None, [told, shown['message']]))}", err=True)
    sys.exit(EXITS.get(shown["state"], STILL_OPEN))


def _person(services: Services, name: str, subject: str) -> Person:
    """Who answers for the act, by rights held now; that somebody may not is on the trail."""
    from dashboard.identity.accounts import Accounts
    from dashboard.operations import audit
    from loaders.errors import Forbidden

    ledger = services.people.ledger
    try:
        return Accounts(ledger).person(name)
    except Forbidden as error:
        audit.record(ledger, name[:80], "refused", _named(services, subject), why=error.template)
        raise


@contextmanager
def _refusals(services: Services, person: Person, subject: str) -> Iterator[None]:
    """What is refused before the order is known is on the trail as well."""
    from dashboard.operations import audit
    from loaders.errors import RefusedInput

    try:
        yield
    except RefusedInput as error:
        audit.record(
            services.people.ledger, person.name, "refund_refused", _named(services, subject),
            why=error.template,
        )
        raise


def _named(services: Services, text: str) -> str:
    """A number of ours as the trail names it; of anything else only that it was typed."""
    from dashboard.operations.trail import typed

    if any(item.refund_no == text for item in services.refunds.refunds()):
        return text
    found = services.find_trades(text)
    if len(found) == 1:
        return f"{found[0]['channel']}/{found[0]['order_no']}"
    return typed(services.people.ledger, text)


def _order(services: Services, identifier: str) -> tuple[str, str]:
    """The channel and number of the one order with this id. Raises RefusedInput."""
    from loaders.errors import RefusedInput

    found = services.find_trades(identifier)
    if len(found) != 1:
        raise RefusedInput(
            "{count} trades have this id. Give the number of one order.", count=len(found)
        ) if found else RefusedInput("There is no trade with this id.")
    return found[0]["channel"], found[0]["order_no"]

"""`mdash erase` and `mdash unmask`: what is done with one person's data, by whom and why."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from dashboard.terminal import Context, print_json
from loaders.errors import RefusedInput

if TYPE_CHECKING:
    from dashboard.services import Services

_AS = click.option("--as", "name", required=True, metavar="USER", help="Who answers for it.")
_REASON = click.option("--reason", required=True, help="Why; it goes into the trail.")


@click.command()
@click.argument("buyer")
@_AS
@_REASON
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def erase(context: Context, buyer: str, name: str, reason: str, as_json: bool) -> None:
    """Forget one buyer, named by pseudonym or by their own id; - reads the id from standard input."""
    services = _acting(context, name)
    text = sys.stdin.readline() if buyer == "-" else buyer
    done = services.erase(text, reason)
    if as_json:
        print_json(services.json_ready(asdict(done)))
    click.echo(services.erased_sentence(done), err=True)


@click.command()
@click.argument("identifier")
@click.option("--field", type=click.Choice(["payer_id", "payer_logon"]), required=True)
@_AS
@_REASON
@click.pass_obj
def unmask(context: Context, identifier: str, field: str, name: str, reason: str) -> None:
    """What the channel told of one trade's buyer."""
    services = _acting(context, name)
    found = services.find_trades(identifier)
    if len(found) != 1:
        raise RefusedInput(
            "{count} trades have this id. Give the number of one order.", count=len(found)
        )
    click.echo(services.unmask(found[0]["channel"], found[0]["order_no"], field, reason))


def _acting(context: Context, name: str) -> Services:
    """The services as this account may use them."""
    from dashboard.identity.accounts import Accounts
    from dashboard.operations.ledger import Ledger
    from dashboard.services import Services

    settings = context.settings()
    return Services(settings, person=Accounts(Ledger(settings)).person(name))

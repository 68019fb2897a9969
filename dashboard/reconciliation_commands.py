"""`mdash items` and `mdash month-end`: the reconciliation's open items, and what people make of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dashboard.terminal import Context, Day, print_json, table_text

CLASSES = (
    "amount_mismatch", "status_mismatch", "currency_mismatch", "duplicate", "short", "long",
    "fee_mismatch",
)
"""Classes of items that ask for something."""
STATES = ("open", "explained", "write_off_proposed", "written_off")

if TYPE_CHECKING:
    from dashboard.identity.rights import Person
    from dashboard.services import Services


@click.group()
def items() -> None:
    """Items of the reconciliation that ask for something, and what was done about them."""


@items.command("list")
@click.option("--from", "first_day", type=Day(), required=True, help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), required=True, help="Last day, inclusive.")
@click.option("--class", "classes", multiple=True, type=click.Choice(CLASSES),
              help="Only items of this class; may be given again.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES),
              help="Only items in this state; may be given again.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many; all unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def list_items(
    context: Context, first_day: date, last_day: date, classes: tuple[str, ...],
    states: tuple[str, ...], limit: int | None, as_json: bool,
) -> None:
    """Open items of a period, oldest first."""
    from dashboard.metrics.question import Question
    from dashboard.reconciling import SHOWN, open_items

    services = context.services()
    found = [
        row for row in open_items(services, Question(first_day, last_day))
        if (not classes or row["class"] in classes) and (not states or row["state"] in states)
    ]
    rows = services.json_ready(found[:limit])
    if as_json:
        print_json({"items": rows, "found": len(found)})
    else:
        click.echo(table_text(SHOWN, rows))


@items.command("do")
@click.argument("act", type=click.Choice(
    ["assign", "explain", "propose", "approve", "decline", "reopen"]
))
@click.argument("number")
@click.option("--words", default="", help="The owner's name, or what was found.")
@click.option("--as", "name", metavar="USER",
              help="Who answers for it: needed to propose and to approve.")
@click.pass_obj
def do(context: Context, act: str, number: str, words: str, name: str | None) -> None:
    """Assign, explain, propose to write off, approve, decline or reopen item NUMBER."""
    from dashboard import reconciling
    from dashboard.wording.tables import word

    services = context.services()
    found = reconciling.item(services, number)
    if name is not None:
        services.person = _person(services, name, number)
    more = {"trusts_login": True} if act == "approve" else {}
    done = reconciling.act(services, act, found, words, **more)
    state = word(f"item_{done.state}", services.say)
    click.echo(services.say("Item {number}: {state}", number=number, state=state), err=True)


def _person(services: Services, name: str, number: str) -> Person:
    """Who answers for the act, by rights held now; that somebody may not is on the trail."""
    from dashboard.identity.accounts import Accounts
    from dashboard.operations import audit
    from loaders.errors import Forbidden

    ledger = services.people.ledger
    try:
        return Accounts(ledger).person(name)
    except Forbidden as error:
        audit.record(ledger, name[:80], "refused", number, why=error.template)
        raise


@click.command("month-end")
@click.option("--from", "first_day", type=Day(), required=True, help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), required=True, help="Last day, inclusive.")
@click.option("--to-file", "path", required=True, help="Ends in .xlsx or .pdf.",
              type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def month_end(context: Context, first_day: date, last_day: date, path: Path) -> None:
    """The month-end pack: totals, sums, open items, balances, and the files they come from."""
    from dashboard.metrics.question import Question
    from dashboard.month_end import save_pack

    services = context.services()
    save_pack(services, Question(first_day, last_day), path)
    click.echo(services.say("The month-end pack was written to {path}.", path=path), err=True)

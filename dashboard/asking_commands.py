"""`mdash poll`, `mdash query`, `mdash pull`: asking a channel from a terminal."""

from __future__ import annotations

import sys
from datetime import date

import click

from dashboard.terminal import Context, Day, print_progress, tell


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def poll(context: Context, as_json: bool) -> None:
    """Ask the channel about every order whose outcome is overdue."""
    from dashboard.asking import poll_document

    document, code = poll_document(context.services())
    tell(document, as_json)
    sys.exit(code)


@click.command()
@click.argument("identifier")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def query(context: Context, identifier: str, as_json: bool) -> None:
    """Ask the channel about one trade now, by any id, and record the answer."""
    from dashboard.asking import query_document

    document, code = query_document(context.services(), identifier)
    tell(document, as_json)
    sys.exit(code)


@click.command()
@click.argument("channel")
@click.option("--from", "first_day", type=Day(), required=True, help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), required=True, help="Last day, inclusive.")
@click.option("--kind", type=click.Choice(["trade", "account"]), default="trade", show_default=True)
@click.option("--again", is_flag=True, help="Fetch days that are loaded already, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def pull(
    context: Context, channel: str, first_day: date, last_day: date, kind: str, again: bool,
    as_json: bool,
) -> None:
    """Fetch a channel's bills and load them; days loaded before are skipped."""
    from dashboard.asking import pull_document

    document, code = pull_document(
        context.services(), channel, kind, (first_day, last_day), is_again=again,
        progress=print_progress if sys.stderr.isatty() else None,
    )
    tell(document, as_json)
    sys.exit(code)

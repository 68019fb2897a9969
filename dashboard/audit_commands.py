"""`mdash audit`: verify the trail, and hand it to an auditor."""

from __future__ import annotations

import sys
from datetime import date

import click

from dashboard.terminal import Context, Day, print_json

BROKEN = 4


@click.group()
def audit() -> None:
    """The trail of what people and the program did."""


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def verify(context: Context, as_json: bool) -> None:
    """Walk the whole trail; exit code 4 where an entry was altered, lost or moved."""
    services = context.services()
    document = services.trail.verify()
    if as_json:
        print_json(document)
    elif document["ok"]:
        told = services.say("The trail holds: {count} entries.", count=document["entries"])
        click.echo(told, err=True)
    else:
        click.echo(document["message"], err=True)
    if not document["ok"]:
        sys.exit(BROKEN)


@audit.command()
@click.option("--from", "first_day", type=Day(), help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), help="Last day, inclusive.")
@click.option("--person", help="Only what this person did.")
@click.option("--action", help="Only this action.")
@click.pass_obj
def export(
    context: Context, first_day: date | None, last_day: date | None, person: str | None,
    action: str | None,
) -> None:
    """Every entry as one JSON object a line, oldest first, to be checked without mdash.

    An entry's `hash` is the SHA-256, in hex, of this JSON list in UTF-8, written with ", " between
    its members and without escapes of other scripts: [seq, at, actor, action, subject, detail,
    previous]. `previous` is the hash of the entry before, of the first one 64 zeros. `seal` can be
    checked with the home's key alone, by `mdash audit verify`.
    """
    trail = context.services().trail
    for line in trail.lines(
        person=person, action=action, first_day=first_day, last_day=last_day
    ):
        click.echo(line)

"""`mdash alert`: what alerts there are, what they would have found, and checking them now."""

from __future__ import annotations

import sys

import click

from dashboard.terminal import FAILED, Context, print_json, table_text

_EPISODE = ("where", "begun_at", "ended_at", "worst", "baseline", "n")


@click.group()
def alert() -> None:
    """Alerts: what they are, what they would have found, and checking them now."""


@alert.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def alert_list(context: Context, as_json: bool) -> None:
    """Every alert, and the latest episodes."""
    from dashboard.operations.commands import alerts_document

    document = alerts_document(context.services())
    if as_json:
        print_json(document)
        return
    shown = ["name", "kind", "enabled", "checked_until"]
    click.echo(table_text(shown, document["alerts"]))
    if document["episodes"]:
        click.echo()
        click.echo(table_text(["alert", *_EPISODE], document["episodes"]))


@alert.command("backtest")
@click.argument("name")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 400))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def alert_backtest(context: Context, name: str, days: int, as_json: bool) -> None:
    """What an alert would have found over past days, had it been set then."""
    from dashboard.operations.commands import backtest_document

    document = backtest_document(context.services(), name, days)
    if as_json:
        print_json(document)
        return
    click.echo(document["message"], err=True)
    if document["episodes"]:
        click.echo(table_text(_EPISODE, document["episodes"]))


@alert.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def alert_check(context: Context, as_json: bool) -> None:
    """Check every alert now and send what is to be sent."""
    from dashboard.operations.commands import check_document

    document = check_document(context.services())
    if as_json:
        print_json(document)
    click.echo(document["message"], err=True)
    for trouble in document["troubles"]:
        click.echo(f"{trouble['alert']}: {trouble['why']}", err=True)
    if document["troubles"]:
        sys.exit(FAILED)

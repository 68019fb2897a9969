"""`mdash`: the command line. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dashboard import (
    asking_commands,
    buyer_commands,
    metric_commands,
    privacy_commands,
    refund_commands,
)
from dashboard.alert_commands import alert
from dashboard.audit_commands import audit
from dashboard.reconciliation_commands import items, month_end
from dashboard.terminal import FAILED, Context, print_json, print_progress
from dashboard.user_commands import user
from loaders.errors import MdashError

if TYPE_CHECKING:
    from loaders.settings import Settings

WAITS = "The trail could not be written now; what was done is noted and goes into it later."


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), envvar="MDASH_HOME",
              help="The folder that keeps everything. Default: the user-data folder.")
@click.version_option(package_name="merchant-dashboard", prog_name="mdash")
@click.pass_context
def commands(ctx: click.Context, home: Path | None) -> None:
    """Settlement files and payment notifications in; a merchant's numbers out."""
    ctx.obj = Context(home)


@commands.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def load(context: Context, paths: Sequence[Path], as_json: bool) -> None:
    """Identify each file or folder by its content and load it."""
    from dashboard.terminal import report_document
    from dashboard.wording import speaker
    from loaders.load import load_paths

    settings = context.settings()
    progress = print_progress if sys.stderr.isatty() else None
    reports = load_paths(settings, list(paths), progress)
    _settle(settings)
    say = speaker(settings.shop.language)
    shown = [report_document(report, say) for report in reports]
    if as_json:
        print_json(
            {
                "files": shown,
                "rows": sum(report.rows for report in reports),
                "rejected": sum(report.rejected for report in reports),
                "duplicates": sum(report.duplicates for report in reports),
            }
        )
    for item in shown:
        counts = f"{item['rows']} rows, {item['rejected']} rejected"
        line = f"{item['status']:<10} {Path(item['path']).name}: {counts}"
        click.echo(f"{line}. {item['message']}" if item["message"] else line, err=True)
    sys.exit(max((report.exit_code for report in reports), default=0))


def _settle(settings: Settings) -> None:
    """What was done goes into the trail, now or later; a ledger out of reach fails nothing."""
    from dashboard.operations.deeds import settle_or_wait
    from dashboard.operations.ledger import Ledger
    from dashboard.wording import translate

    if not settle_or_wait(Ledger(settings)):
        click.echo(translate(settings.shop.language, WAITS), err=True)


@commands.command()
@click.argument("number", type=int)
@click.pass_obj
def undo(context: Context, number: int) -> None:
    """Take back the load with this number (see the loads view)."""
    from dashboard.wording import translate
    from loaders.channels import retry_ladders
    from loaders.deeds import note
    from loaders.store.deposit import undo as take_back
    from loaders.store.warehouse import Warehouse

    settings = context.settings()
    with Warehouse(settings, retry_ladders()) as warehouse:
        partial = take_back(warehouse, number)
        note(settings.home, "undone", f"load {number}", lacking=partial)
    _settle(settings)
    say = settings.shop.language
    click.echo(translate(say, "Load {number} was taken back.", number=number), err=True)
    if partial:
        click.echo(
            translate(
                say,
                "{count} later loads had lines in common with it: load these files again to bring"
                " the common lines back.",
                count=partial,
            ),
            err=True,
        )


@commands.command()
@click.argument("identifier")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def trade(context: Context, identifier: str, as_json: bool) -> None:
    """Everything known of one trade, by any id."""
    from dashboard.trade_document import trade_document

    document = trade_document(context.services(), identifier)
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if not isinstance(value, list):
            click.echo(f"{name:<20} {'' if value is None else value}")
    for event in document["events"]:
        click.echo(f"{event['at']}  {event['what']:<14} {event['detail'] or ''}")


@commands.command()
@click.pass_obj
def maintain(context: Context) -> None:
    """Compact files, sum up roll-ups, and remove what is past the time it is kept."""
    from dashboard.operations.deeds import settle_or_wait
    from dashboard.operations.ledger import Ledger
    from dashboard.operations.retention import apply
    from loaders.channels import retry_ladders
    from loaders.store.warehouse import Warehouse

    settings = context.settings()
    with Warehouse(settings, retry_ladders()) as warehouse:
        warehouse.maintain()
    ledger = Ledger(settings)
    settle_or_wait(ledger)
    apply(settings, ledger)


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def check(context: Context, as_json: bool) -> None:
    """Configuration, keys, catalog, freshness: what is wrong and how to mend it."""
    from dashboard.checks import findings

    found = findings(context.settings())
    if as_json:
        print_json({"findings": found})
    for item in found:
        click.echo(f"{'ok  ' if item['ok'] else 'FAIL'} {item['what']}: {item['message']}", err=True)
    if not all(item["ok"] for item in found):
        sys.exit(2)


@commands.command()
@click.option("--port", default=8501, show_default=True)
@click.option("--browser/--no-browser", default=False, help="Open a browser window.")
@click.pass_obj
def serve(context: Context, port: int, browser: bool) -> None:
    """The dashboard, the notification receiver and the schedule of pulls and queries."""
    from dashboard.server import serve as run

    run(context.settings(), port, browser=browser)


@commands.command()
@click.option("--port", default=8502, show_default=True)
@click.pass_obj
def receive(context: Context, port: int) -> None:
    """The notification receiver alone."""
    from dashboard.receiving import receive as run

    run(context.settings(), port)


@commands.command()
@click.option("--port", default=8501, show_default=True)
@click.option("--no-browser", is_flag=True, help="Do not open a browser window.")
@click.option("--orders", default=12_000, show_default=True, help="Size of the sample merchant.")
@click.pass_context
def demo(ctx: click.Context, port: int, no_browser: bool, orders: int) -> None:
    """The dashboard, full of the sample merchant's data, in a home of its own."""
    from dashboard.demo import beside_gateway, prepare
    from dashboard.server import serve as run

    given = ctx.parent.params["home"] if ctx.parent else None
    home = given or (ctx.obj.home.parent / "mdash-demo")
    with beside_gateway(prepare(home, orders), port) as settings:
        run(settings, port, browser=not no_browser)


@commands.command()
@click.option("--port", default=8600, show_default=True)
@click.option("--orders", default=200, show_default=True, help="Size of the sample merchant.")
@click.option("--speed", default=1.0, show_default=True, help="How much faster retries come.")
@click.option("--shuffled", is_flag=True, help="The root's keys of an answer in any order.")
@click.pass_obj
def sandbox(context: Context, port: int, orders: int, speed: float, shuffled: bool) -> None:
    """The stand-in gateway alone, for trying queries, refunds and bills."""
    from dashboard.sandbox import run

    language = context.settings().shop.language
    run(context.home, language, port, orders, speed=speed, shuffled=shuffled)


for _command in (metric_commands.metric, metric_commands.export, metric_commands.sql, alert):
    commands.add_command(_command)
for _command in (asking_commands.poll, asking_commands.query, asking_commands.pull):
    commands.add_command(_command)
for _command in (audit, privacy_commands.erase, privacy_commands.unmask):
    commands.add_command(_command)
for _command in (
    refund_commands.refund, refund_commands.approve, refund_commands.refunds,
    refund_commands.resolve,
):
    commands.add_command(_command)
commands.add_command(user)
for _command in (buyer_commands.plan, buyer_commands.audience, buyer_commands.buyer):
    commands.add_command(_command)
for _command in (items, month_end):
    commands.add_command(_command)


def main() -> None:
    """Run `mdash`; no traceback ever reaches a user."""
    try:
        commands(prog_name="mdash")
    except MdashError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        path = _write_crash(error)
        click.echo(f"mdash failed: {type(error).__name__}. Details are in {path}.", err=True)
        sys.exit(FAILED)


def _complain(error: MdashError) -> None:
    from dashboard.wording import translate
    from loaders.privacy import mask_personal
    from loaders.settings import default_home, load_settings

    language = "en"
    context = click.get_current_context(silent=True)
    home = context.obj.home if context and context.obj else _home_argument() or default_home()
    try:
        language = load_settings(home).shop.language
    except MdashError:
        language = "en"
    click.echo(mask_personal(translate(language, error.template, **error.values)), err=True)


def _home_argument() -> Path | None:
    import os

    for at, argument in enumerate(sys.argv):
        if argument == "--home" and at + 1 < len(sys.argv):
            return Path(sys.argv[at + 1])
        if argument.startswith("--home="):
            return Path(argument.partition("=")[2])
    named = os.environ.get("MDASH_HOME")
    return Path(named) if named else None


def _write_crash(error: Exception) -> Path:
    """The traceback goes to a file of the home, where the engineer finds it."""
    import traceback

    from loaders.settings import default_home

    home = _home_argument() or default_home()
    folder = home / "crashes"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "last.txt"
    path.write_text("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, "utf-8")
    path.chmod(0o600)
    return path


if __name__ == "__main__":
    main()

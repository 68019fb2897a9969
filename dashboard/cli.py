"""`mdash`: the command line. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dashboard import buyer_commands, privacy_commands, refund_commands
from dashboard.audit_commands import audit
from dashboard.reconciliation_commands import items, month_end
from dashboard.terminal import Context, Day, csv_text, print_json, table_text, tell
from dashboard.user_commands import user
from loaders.errors import MdashError

if TYPE_CHECKING:
    from dashboard.metrics.catalogue import Answer
    from dashboard.services import Services
    from loaders.settings import Settings

FAILED = 1
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
    progress = _progress() if sys.stderr.isatty() else None
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


def _progress() -> Callable[[int, int, str], None]:
    def show(done: int, total: int, name: str) -> None:
        click.echo(f"\r{done}/{total} {name[:50]:<50}", nl=done == total, err=True)

    return show


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
@click.argument("name", required=False)
@click.option("--list", "list_all", is_flag=True, help="List every metric.")
@click.option("--from", "first_day", type=Day(), help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), help="Last day, inclusive.")
@click.option("--by", default="", help="Dimensions to split by, with commas between.")
@click.option("--where", "filters", multiple=True, help="DIM=VALUE; may be repeated.")
@click.option("--format", "shape", type=click.Choice(["json", "csv", "table"]), default="table")
@click.pass_obj
def metric(
    context: Context,
    name: str | None,
    list_all: bool,
    first_day: date | None,
    last_day: date | None,
    by: str,
    filters: Sequence[str],
    shape: str,
) -> None:
    """Any number on the dashboard, without the dashboard."""
    from dashboard.metrics.question import Question

    services = context.services()
    if list_all:
        _list_metrics(services, shape)
        return
    if name is None or first_day is None or last_day is None:
        raise click.UsageError("Give NAME, --from and --to; or --list.")
    question = Question(
        first_day, last_day, tuple(part for part in by.split(",") if part), _where(filters)
    )
    answer = services.metric(name, question)
    document = _answer_document(services, answer)
    if shape == "json":
        print_json(document)
        return
    columns = [*answer.question.by, *answer.metric.fields]
    if shape == "csv":
        click.echo(csv_text(columns, document["rows"]), nl=False)
    else:
        click.echo(table_text(columns, document["rows"]))
        click.echo(f"as of {document['as_of']}", err=True)
    for note in document["notes"]:
        click.echo(note, err=True)


@commands.command()
@click.argument("name")
@click.option("--from", "first_day", type=Day(), required=True, help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), required=True, help="Last day, inclusive.")
@click.option("--by", default="", help="Dimensions to split by, with commas between.")
@click.option("--where", "filters", multiple=True, help="DIM=VALUE; may be repeated.")
@click.option("--to-file", "path", required=True, help="Ends in .csv, .xlsx or .parquet.",
              type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def export(
    context: Context, name: str, first_day: date, last_day: date, by: str,
    filters: Sequence[str], path: Path,
) -> None:
    """A metric as a file that says where its numbers come from."""
    import shlex

    from dashboard.exports.files import save_table
    from dashboard.exports.provenance import of_answers
    from dashboard.exports.records import records_of_answer
    from dashboard.metrics.question import Question

    services = context.services()
    services.demand("export", path.name)
    question = Question(
        first_day, last_day, tuple(part for part in by.split(",") if part), _where(filters)
    )
    answer = services.metric(name, question)
    again = ["mdash", "metric", name, "--from", str(first_day), "--to", str(last_day)]
    again += ["--by", by] if by else []
    again += [part for item in filters for part in ("--where", item)]
    told = of_answers(services, [answer], link=shlex.join(again))
    rows = save_table(path, records_of_answer(answer), told, services)
    services.tell_export(path.name, told, rows)
    click.echo(
        services.say("{rows} rows were written to {path}.", rows=rows, path=path), err=True
    )


def _where(filters: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in filters:
        name, sign, value = item.partition("=")
        if not sign:
            raise click.UsageError(f"--where takes DIM=VALUE, not {item!r}.")
        found.setdefault(name, []).append(value)
    return found


def _list_metrics(services: Services, shape: str) -> None:
    from dashboard.metrics.catalogue import metrics

    found = [
        {
            "metric": item.name,
            "version": item.version,
            "definition": services.say(item.definition),
            "fields": list(item.fields),
            "dimensions": list(item.dimensions),
        }
        for item in metrics().values()
    ]
    if shape == "json":
        print_json({"metrics": found})
        return
    for row in found:
        click.echo(f"{row['metric']} (v{row['version']}): {row['definition']}")


def _answer_document(services: Services, answer: Answer) -> dict[str, Any]:
    return {
        "metric": answer.metric.name,
        "from": answer.question.first_day.isoformat(),
        "to": answer.question.last_day.isoformat(),
        "by": list(answer.question.by),
        "as_of": services.json_ready(answer.as_of),
        "definition": services.say(answer.metric.definition),
        "version": answer.metric.version,
        "rows": [
            {name: services.dimension_ready(name, value) for name, value in row.items()}
            for row in answer.rows
        ],
        "notes": [services.say(template, **values) for template, values in answer.notes],
    }


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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def poll(context: Context, as_json: bool) -> None:
    """Ask the channel about every order whose outcome is overdue."""
    from dashboard.asking import poll_document

    document, code = poll_document(context.services())
    tell(document, as_json)
    sys.exit(code)


@commands.command()
@click.argument("identifier")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def query(context: Context, identifier: str, as_json: bool) -> None:
    """Ask the channel about one trade now, by any id, and record the answer."""
    from dashboard.asking import query_document

    document, code = query_document(context.services(), identifier)
    tell(document, as_json)
    sys.exit(code)


@commands.command()
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
        progress=_progress() if sys.stderr.isatty() else None,
    )
    tell(document, as_json)
    sys.exit(code)


@commands.command()
@click.argument("query")
@click.option("--format", "shape", type=click.Choice(["json", "csv", "table"]), default="table")
@click.pass_obj
def sql(context: Context, query: str, shape: str) -> None:
    """Read-only SQL over the published views."""
    services = context.services()
    names, rows = services.run_sql(query)
    columns = _told_apart(names)
    document = [dict(zip(columns, services.json_ready(row), strict=True)) for row in rows]
    if shape == "json":
        print_json({"columns": columns, "rows": document})
    elif shape == "csv":
        click.echo(csv_text(columns, document), nl=False)
    else:
        click.echo(table_text(columns, document))


def _told_apart(names: Sequence[str]) -> list[str]:
    """Column names with a number behind those that were there before, as DuckDB does."""
    found: list[str] = []
    for name in names:
        count, own = 0, name
        while own in found:
            count += 1
            own = f"{name}_{count}"
        found.append(own)
    return found


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


@commands.group()
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


_EPISODE = ("where", "begun_at", "ended_at", "worst", "baseline", "n")


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

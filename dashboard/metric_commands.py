"""`mdash metric`, `mdash export`, `mdash sql`: numbers in a terminal and in files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dashboard.terminal import Context, Day, csv_text, print_json, table_text

if TYPE_CHECKING:
    from dashboard.metrics.catalogue import Answer
    from dashboard.metrics.question import Question
    from dashboard.services import Services


@click.command()
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
    services = context.services()
    if list_all:
        _list_metrics(services, shape)
        return
    if name is None or first_day is None or last_day is None:
        raise click.UsageError("Give NAME, --from and --to; or --list.")
    question = _question(first_day, last_day, by, filters)
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


@click.command()
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

    services = context.services()
    services.demand("export", path.name)
    question = _question(first_day, last_day, by, filters)
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


def _question(first_day: date, last_day: date, by: str, filters: Sequence[str]) -> Question:
    from dashboard.metrics.question import Question

    names = tuple(part for part in by.split(",") if part)
    return Question(first_day, last_day, names, _where(filters))


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


@click.command()
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

"""`mdash plan`, `mdash audience`, `mdash buyer`: campaigns and buyers from a terminal."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from dashboard.terminal import Context, Day, print_json, table_text

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.option("--from", "first_day", type=Day(), required=True, help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), required=True, help="Last day, inclusive.")
@click.option("--lift", type=float, help="Wanted lift of conversion, as 0.02. Default: several.")
@click.option("--base", type=_SHARE, help="Conversion without it. Default: that of the period.")
@click.option("--power", type=click.FloatRange(0.5, 1, max_open=True), default=0.8, show_default=True,
              help="Chance of seeing the lift.")
@click.option("--holdout", type=_SHARE, default=0.5, show_default=True, help="Share of orders held out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def plan(
    context: Context, first_day: date, last_day: date, lift: float | None, base: float | None,
    power: float, holdout: float, *, as_json: bool,
) -> None:
    """How many orders a test of a campaign needs to see a lift."""
    from dashboard.metrics.planner import LIFTS, plan_rows
    from dashboard.metrics.planner import plan as planned
    from dashboard.metrics.question import Question
    from loaders.errors import RefusedInput

    services = context.services()
    question = Question(first_day, last_day)
    found = services.metric("conversion", question).rows
    rate = base if base is not None else (found[0]["rate"] if found else None)
    if rate is None:
        raise RefusedInput("The period has no conversion to begin from: give --base.")
    if lift is not None:
        planned(rate, lift, power, holdout)
    a_day = services.orders_a_day(question)
    rows = plan_rows(rate, a_day, power, holdout, LIFTS if lift is None else (lift,))
    document = {"base": rate, "power": power, "holdout": holdout, "orders_a_day": a_day, "rows": rows}
    if as_json:
        print_json(document)
    else:
        names = ["lift_rate", "target_rate", "needed", "needed_held", "needed_days"]
        click.echo(table_text(names, rows))


@click.command()
@click.option("--from", "first_day", type=Day(), required=True, help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), required=True, help="Last day, inclusive.")
@click.option("--segment", "segments", multiple=True, help="May be repeated, as all that follow.")
@click.option("--risk", "risks", multiple=True)
@click.option("--last-product", "products", multiple=True, help="Product of the last purchase.")
@click.option("--item", "items", multiple=True, help="Bought one of these items.")
@click.option("--least-fen", type=int, help="Net spend from.")
@click.option("--most-fen", type=int, help="Net spend to.")
@click.option("--to-file", "path", help="A CSV of pseudonyms; that it was made is recorded.",
              type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def audience(
    context: Context, /, first_day: date, last_day: date, path: Path | None, *, as_json: bool,
    **given: Any,
) -> None:
    """How many buyers fit, and who may be addressed; with --to-file, those as pseudonyms."""
    from dashboard.audiences import document, save
    from dashboard.metrics.audience import Rules
    from dashboard.metrics.question import Question

    services = context.services()
    rules = Rules(**given)
    question = Question(first_day, last_day)
    found = document(services, question, rules)
    if path is not None:
        rows = save(services, question, rules, path, "mdash audience")
        click.echo(
            services.say("{rows} rows were written to {path}.", rows=rows, path=path), err=True
        )
    if as_json:
        print_json(found)
    else:
        names = [name for name in found if name not in ("from", "to", "rules")]
        click.echo(table_text(names, [dict(found)]))


@click.command()
@click.argument("identifier")
@click.option("--to", "last_day", type=Day(), help="Up to the end of this day. Default: the latest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def buyer(context: Context, identifier: str, last_day: date | None, *, as_json: bool) -> None:
    """What is known of one buyer, by pseudonym or the shop's own id."""
    from dashboard import buyers
    from dashboard.metrics.question import Question
    from loaders.errors import RefusedInput

    services = context.services()
    name = buyers.named(services, identifier)
    day = last_day or services.last_day()
    found = buyers.read(services, Question(day, day), name) if name else None
    if found is None:
        raise RefusedInput("There is no buyer with this id.")
    buyers.note_read(services, found)
    document = services.json_ready(found.document())
    if as_json:
        print_json(document)
        return
    for field, value in document.items():
        if not isinstance(value, list):
            click.echo(f"{field:<14} {'' if value is None else value}")
    names = ["order_no", "paid_at", "amount_fen", "refunded_fen", "outcome", "goods"]
    click.echo(table_text(names, document["orders"]))

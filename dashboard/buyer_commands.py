"""`mdash plan`, `mdash audience`, `mdash buyer`: campaigns and buyers from a terminal."""

from __future__ import annotations

from datetime import date

import click

from dashboard.terminal import Context, Day, print_json, table_text


@click.command()
@click.option("--from", "first_day", type=Day(), required=True, help="First day, inclusive.")
@click.option("--to", "last_day", type=Day(), required=True, help="Last day, inclusive.")
@click.option("--lift", type=float, help="Wanted lift of conversion, as 0.02. Default: several.")
@click.option("--base", type=float, help="Conversion without it. Default: that of the period.")
@click.option("--power", default=0.8, show_default=True, help="Chance of seeing the lift.")
@click.option("--holdout", default=0.5, show_default=True, help="Share of orders held out.")
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
        click.echo(table_text(["lift_rate", "needed", "needed_held", "needed_days"], rows))

"""Every trade of a period, however many, as a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

from dashboard.exports.files import Download, file_name, formats, save_table
from dashboard.exports.provenance import of_rows
from dashboard.exports.records import records_of_stream
from dashboard.metrics.question import Question
from dashboard.screens.files import here, menu
from dashboard.services import Services


def every_trade_menu(services: Services, question: Question) -> None:
    """Every trade of the period, however many, in each format of tables."""
    told = of_rows(services, "trades", services.say("Trades"), question=question, link=here())

    written: dict[str, int] = {}

    def maker(suffix: str) -> Callable[[], bytes]:
        def make() -> bytes:
            folder = services.settings.home.joinpath("tmp")
            with (
                NamedTemporaryFile(dir=folder, suffix=f".{suffix}") as file,
                services.every_trade(question) as (count, batches),
            ):
                path = Path(file.name)
                records = records_of_stream(batches, count)
                written[suffix] = save_table(path, records, told, services)
                return path.read_bytes()

        return make

    menu(services, "every-trade", [
        Download(
            item, file_name(told, item.suffix), maker(item.suffix), told,
            partial(written.get, item.suffix),
        )
        for item in formats("table")
    ], "All trades of the period")

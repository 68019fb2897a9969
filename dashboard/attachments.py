"""The files that go with a report by mail: its metrics by day, in the format that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dashboard.exports.files import Download, page_files, table_files
from dashboard.exports.pages import Listing
from dashboard.exports.provenance import of_answers
from dashboard.identity.rights import SYSTEM
from dashboard.metrics.catalogue import Answer, metric_named
from dashboard.operations.delivery import Attachment
from dashboard.operations.reports import Report
from dashboard.services import Services
from loaders.settings import Settings


def attachments(settings: Settings) -> Callable[[Report], Sequence[Attachment]]:
    """How the reports of a home get their files."""

    def made(report: Report) -> list[Attachment]:
        services = Services(settings, person=SYSTEM)
        try:
            return [_attached(services, report, item) for item in _files(services, report)]
        finally:
            services.reader.close()

    return made


def _attached(services: Services, report: Report, item: Download) -> Attachment:
    """A file made and, since it leaves the house, entered into the trail."""
    made = Attachment(item.file_name, item.format.mime, item.make())
    services.tell_export(item.file_name, item.told, item.count(), report=report.schedule.name)
    return made


def _files(services: Services, report: Report) -> list[Download]:
    answers = _answers(services, report)
    if not answers or report.schedule.format == "none":
        return []
    if report.schedule.format == "pdf":
        told = of_answers(services, answers, title=report.schedule.name, name="report")
        parts = [
            Listing(services.say(answer.metric.title), answer.rows,
                    [*answer.question.by, *answer.metric.fields])
            for answer in answers
        ]
        return page_files(services, parts, told)
    return [
        item
        for answer in answers
        for item in table_files(services, answer, of_answers(services, [answer]))
        if item.format.suffix == report.schedule.format
    ]


def _answers(services: Services, report: Report) -> list[Answer]:
    """The report's metrics by day; one that does not know the view's filters is left out."""
    question = report.question().split("day")
    return [
        services.metric(name, question)
        for name in report.schedule.metrics
        if {*question.by, *question.where} <= {*metric_named(name).dimensions}
    ]

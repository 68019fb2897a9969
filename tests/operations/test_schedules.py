"""Reports by mail: due at the shop's wall time, written down before they go, true to the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboard.attachments import attachments
from dashboard.operations import reports, schedules, views
from dashboard.operations.delivery import Attachment
from dashboard.operations.ledger import Ledger
from dashboard.operations.outbox import counts, deliver
from dashboard.operations.reports import Report, letter, plan, report_of
from dashboard.operations.scheduler import sender
from dashboard.operations.schedules import (
    Cadence,
    Schedule,
    last_due,
    next_due,
    period,
    save_schedule,
)
from dashboard.wording.formats import money, percent
from loaders.channels import retry_ladders
from loaders.errors import MdashError, RefusedInput
from loaders.settings import Settings, load_settings
from loaders.store.reader import Reader
from tests.conftest import Sample
from tests.operations.conftest import Mailbox, with_mail

SHANGHAI, BERLIN, SYDNEY = "Asia/Shanghai", "Europe/Berlin", "Australia/Sydney"
ZONES = (SHANGHAI, BERLIN, SYDNEY)


def made(cadence: Cadence, at: str, on_day: int | None = None) -> Schedule:
    return Schedule(1, "x", "local", cadence, at, on_day, None, (), ("a@b.example",), "none", True,
                    datetime(2020, 1, 1))


def local(at: datetime, zone: str) -> str:
    return f"{at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
def test_each_day_week_or_month_has_one_report_at_its_wall_time(zone: str, cadence: Cadence) -> None:
    """Every half hour of a year with both clock changes: as often due as the calendar says."""
    schedule = made(cadence, "08:30", {"daily": None, "weekly": 1, "monthly": 31}[cadence])
    begin = datetime(2026, 1, 1, 12)
    instants = [begin + timedelta(minutes=30 * at) for at in range(365 * 48)]
    due = {last_due(schedule, at, zone) for at in instants} - {last_due(schedule, begin, zone)}
    told = sorted(local(at, zone) for at in due if at)
    assert all(item.endswith("08:30") for item in told)
    assert len({item[4:14] for item in told}) == len(told)
    if cadence == "weekly":
        assert all(item.startswith("Mon") for item in told)
        assert len(told) == 52
    if cadence == "monthly":
        ends = {item[4:14] for item in told}
        assert {"2026-02-28", "2026-04-30", "2026-12-31"} <= ends
        assert len(told) == 12
    if cadence == "daily":
        assert len(told) == 365


@pytest.mark.parametrize(
    ("at", "wanted"),
    [("02:30", datetime(2026, 3, 29, 1, 30)), ("03:30", datetime(2026, 3, 29, 1, 30))],
)
def test_a_time_the_clock_skips_comes_an_hour_later(at: str, wanted: datetime) -> None:
    """On 2026-03-29 Berlin goes from 02:00 to 03:00 (01:00 UTC)."""
    assert last_due(made("daily", at), datetime(2026, 3, 29, 9), BERLIN) == wanted


def test_a_time_that_comes_twice_is_due_once() -> None:
    """On 2026-10-25 Berlin goes from 03:00 back to 02:00 (01:00 UTC)."""
    schedule = made("daily", "02:30")
    due = {last_due(schedule, datetime(2026, 10, 25) + timedelta(minutes=at), BERLIN)
           for at in range(0, 720, 5)}
    assert due == {datetime(2026, 10, 24, 0, 30), datetime(2026, 10, 25, 0, 30)}


@pytest.mark.parametrize("zone", ZONES)
def test_the_next_one_is_the_last_one_once_it_has_come(zone: str) -> None:
    schedule = made("weekly", "00:00", 7)
    for day in range(200):
        at = datetime(2026, 2, 1, 5) + timedelta(days=day)
        coming = next_due(schedule, at, zone)
        assert coming > at
        assert last_due(schedule, coming, zone) == coming
        assert last_due(schedule, coming - timedelta(seconds=1), zone) != coming


def test_a_report_tells_of_whole_past_days() -> None:
    monday = datetime(2026, 10, 26, 0, 30)
    assert period(made("daily", "08:30"), monday, SHANGHAI) == (date(2026, 10, 25), date(2026, 10, 25))
    assert period(made("weekly", "08:30", 1), monday, SHANGHAI) == (
        date(2026, 10, 19), date(2026, 10, 25))
    assert period(made("monthly", "08:30", 1), datetime(2026, 3, 1), SHANGHAI) == (
        date(2026, 2, 1), date(2026, 2, 28))
    late = datetime(2026, 10, 25, 15, 30)
    assert period(made("daily", "23:30"), late, SHANGHAI)[0] == date(2026, 10, 24)


def test_a_new_report_is_not_due_for_the_past() -> None:
    schedule = replace(made("daily", "08:30"), created_at=datetime(2026, 10, 20, 2))
    assert last_due(schedule, datetime(2026, 10, 20, 3), SHANGHAI) is None
    assert last_due(schedule, datetime(2026, 10, 21, 3), SHANGHAI) == datetime(2026, 10, 21, 0, 30)


@pytest.mark.parametrize(
    ("cadence", "at", "on_day", "to"),
    [
        ("daily", "8:30", None, ["a@b.example"]), ("daily", "24:00", None, ["a@b.example"]),
        ("weekly", "08:30", 8, ["a@b.example"]), ("monthly", "08:30", None, ["a@b.example"]),
        ("hourly", "08:30", None, ["a@b.example"]), ("daily", "08:30", None, []),
        ("daily", "08:30", None, ["nobody"]), ("daily", "08:30", None, ["a@b.example\nBcc: x@y.z"]),
    ],
)
def test_what_cannot_be_scheduled_is_refused(
    ledger: Ledger, cadence: Cadence, at: str, on_day: int | None, to: list[str]
) -> None:
    with pytest.raises(RefusedInput):
        save_schedule(ledger, "x", cadence, at, to, on_day=on_day)
    assert schedules.schedules(ledger) == []


def test_a_report_shows_only_views_its_owner_may_see(ledger: Ledger) -> None:
    private = views.save(ledger, "p", "overview", "", owner="bob")
    shared = views.save(ledger, "s", "overview", "", owner="bob", is_shared=True)
    with pytest.raises(RefusedInput):
        save_schedule(ledger, "x", "daily", "08:30", ["a@b.example"], view_id=private.id, owner="ann")
    with pytest.raises(MdashError):
        save_schedule(ledger, "x", "daily", "08:30", ["a@b.example"], metrics=["mood"])
    saved = save_schedule(ledger, "x", "daily", "08:30", ["a@b.example"], view_id=shared.id, owner="ann")
    views.remove(ledger, shared.id, owner="bob")
    assert schedules.schedules(ledger, "ann")[0] == replace(saved, view_id=None)
    with pytest.raises(RefusedInput):
        schedules.remove_schedule(ledger, saved.id, owner="bob")
    schedules.remove_schedule(ledger, saved.id, owner="ann")
    assert schedules.schedules(ledger) == []


@pytest.fixture
def reader(sample: Sample) -> Iterator[Reader]:
    made = Reader(load_settings(sample.home), retry_ladders())
    yield made
    made.close()


NOW = datetime(2026, 11, 1, 1)


def backdated(ledger: Ledger, created_at: datetime = datetime(2026, 10, 20)) -> None:
    with ledger.transaction() as connection:
        connection.execute(reports.REPORT_SCHEDULES.update().values(created_at=created_at))


def test_a_report_is_sent_once_to_each_person(
    settings: Settings, ledger: Ledger, reader: Reader, mailbox: Mailbox
) -> None:
    settings.shop.dashboard_url = "https://dash.shop.example"
    view = views.save(ledger, "手机网站", "conversion", "from=2020-01-01&product=QUICK_WAP_WAY")
    save_schedule(ledger, "晨报", "daily", "08:30", ["ann@shop.example", "bob@shop.example"],
                  view_id=view.id)
    backdated(ledger)
    send = sender(with_mail(settings, mailbox), ledger, reader)
    mailbox.refusals = ["451 later"]
    assert [plan(settings, ledger, NOW) for _ in range(3)] == [1, 0, 0]
    assert deliver(ledger, send) == 1
    assert deliver(ledger, send, at=datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)) == 1
    assert sorted(str(mail["To"]) for mail in mailbox.mails) == ["ann@shop.example", "bob@shop.example"]
    assert counts(ledger) == {"sent": 2}
    mail = mailbox.mails[0]
    assert mail["Subject"] == "【mdash】晨报：2026-10-31"
    html = mail.get_body(("html",))
    assert html is not None
    assert ("https://dash.shop.example/conversion?from=2026-10-31&amp;to=2026-10-31"
            "&amp;product=QUICK_WAP_WAY") in html.get_content()
    assert plan(settings, ledger, NOW + timedelta(days=1)) == 1


def test_a_report_tells_what_the_metrics_tell(
    settings: Settings, ledger: Ledger, reader: Reader, sample: Sample
) -> None:
    settings.shop.language = "en"
    view = views.save(ledger, "h5", "conversion", "product=QUICK_WAP_WAY")
    save_schedule(ledger, "Month", "monthly", "08:30", ["a@b.example"], on_day=1, view_id=view.id)
    backdated(ledger)
    assert plan(settings, ledger, NOW) == 1
    made = letter(settings, reader, report_of(ledger, 1))
    asked = ("--from", "2026-10-01", "--to", "2026-10-31", "--where", "product=QUICK_WAP_WAY")
    sales, rate = (sample.metric(name, *asked)["rows"][0] for name in ("sales", "conversion"))
    before = sample.metric("sales", "--from", "2026-09-01", "--to", "2026-09-30", "--where",
                           "product=QUICK_WAP_WAY")["rows"][0]
    lines = made.text.splitlines()
    assert f"Sales · Orders: {sales['orders']}   (Period before: {before['orders']})" in lines
    assert any(line.startswith(f"Sales · Paid (yuan): {money(sales['paid_fen'], 'en')} ")
               for line in lines)
    assert f"Order conversion · Rate: {percent(rate['rate'], 'en')} (" in made.text
    assert "Product: mobile web" in made.text
    marks = [sample.metric(name, *asked)["as_of"] for name in ("sales", "refund_rate")]
    assert f"As of {min(marks)[:10]} {min(marks)[11:19]}" in made.text
    assert "Settlement is left out" in made.text
    assert "Month" in made.subject
    assert "<script" not in made.html


def test_a_report_brings_its_files_or_says_that_it_could_not(
    settings: Settings, ledger: Ledger, reader: Reader
) -> None:
    settings.shop.language = "en"
    save_schedule(ledger, "<b>x</b>", "weekly", "08:30", ["a@b.example"], on_day=7, format_="csv")
    backdated(ledger)
    assert plan(settings, ledger, NOW) == 1
    report = report_of(ledger, 1)
    assert "could not be made" in letter(settings, reader, report).text

    def attach(wanted: Report) -> list[Attachment]:
        text = json.dumps([wanted.page, wanted.first_day.isoformat()])
        return [Attachment("x.csv", "text/csv", text.encode())]

    made = letter(settings, reader, report, attach)
    assert [item.content for item in made.attachments] == [b'["overview", "2026-10-25"]']
    assert "could not be made" not in made.text
    assert "<b>x</b>" not in made.html


def test_the_files_of_a_report_hold_what_the_metrics_tell(
    ledger: Ledger, sample: Sample
) -> None:
    config = load_settings(sample.home)
    save_schedule(ledger, "Week", "weekly", "08:30", ["a@b.example"], on_day=7, format_="csv",
                  metrics=["sales", "conversion"])
    backdated(ledger)
    assert plan(config, ledger, NOW) == 1
    report = report_of(ledger, 1)
    files = {item.name.split("_")[1]: item for item in attachments(config)(report)}
    assert set(files) == {"sales", "conversion"}
    asked = ("--from", report.first_day.isoformat(), "--to", report.last_day.isoformat(), "--by", "day")
    rows = files["sales"].content.decode("utf-8-sig").splitlines()
    body = [row for row in rows if not row.startswith("#")]
    assert [row.split(",")[0] for row in body[1:]] == [
        row["day"] for row in sample.metric("sales", *asked)["rows"]
    ]


def test_a_deleted_report_is_not_sent(settings: Settings, ledger: Ledger) -> None:
    saved = save_schedule(ledger, "x", "daily", "08:30", ["a@b.example"])
    backdated(ledger)
    plan(settings, ledger, NOW)
    schedules.remove_schedule(ledger, saved.id)
    with pytest.raises(RefusedInput):
        report_of(ledger, 1)

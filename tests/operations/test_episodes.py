"""An alert over a real store: noticed once, told once, recovered once, found again by a backtest."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard.metrics.alert_windows import NEVER, cells, latency_cells
from dashboard.operations import alert_rules, backtest, episodes
from dashboard.operations.alert_rules import Freshness, SuccessRate, Traffic, save_rule
from dashboard.operations.alerts import QUARTER
from dashboard.operations.ledger import Ledger
from dashboard.operations.outbox import counts, deliver
from dashboard.operations.scheduler import sender
from loaders.channels import retry_ladders
from loaders.errors import RefusedInput
from loaders.settings import Settings, load_settings
from loaders.store.reader import Reader
from tests.conftest import Sample, make_home, run_mdash
from tests.operations.conftest import Mailbox, Webhook, with_mail
from tests.operations.shop import PART_END, TROUBLE, SteadyShop, busy_shop, steady_shop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SteadyShop:
    return steady_shop(tmp_path_factory.mktemp("steady"))


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory, channel_key: bytes, shop: SteadyShop) -> Path:
    """A home that knows the shop up to the middle of its trouble."""
    home = make_home(tmp_path_factory.mktemp("half") / "home", channel_key)
    ran = run_mdash(home, "load", str(shop.bill), str(shop.before))
    assert ran.code == 0, ran.err
    return home


@pytest.fixture
def config(tmp_path: Path, half: Path) -> Settings:
    settings = load_settings(Path(shutil.copytree(half, tmp_path / "home")))
    settings.alerts.mail_to = ("ops@shop.example", "boss@shop.example")
    return settings


@pytest.fixture
def reader(config: Settings) -> Iterator[Reader]:
    made = Reader(config, retry_ladders())
    yield made
    made.close()


@pytest.fixture
def ledger(config: Settings) -> Ledger:
    ledger = Ledger(config)
    for stored in alert_rules.rules(ledger):
        alert_rules.remove_rule(ledger, stored.name) if stored.name != "success-rate" else None
    return ledger


def utc(shop_local: datetime) -> datetime:
    return shop_local - timedelta(hours=8)


def test_cells_count_what_happened(config: Settings, reader: Reader, shop: SteadyShop) -> None:
    [mark] = {reader.watermarks()["checkout_log"]}
    found = cells(reader, ("product",), utc(TROUBLE[0]) - QUARTER, utc(TROUBLE[1]), mark)
    [counted] = found.values()
    assert [(cell.orders, cell.settled, cell.paid) for cell in counted] == [
        (60, 60, 54), (60, 60, 0), (60, 60, 0), (60, 60, 0), (60, 60, 0)
    ]


def test_an_episode_is_told_once_and_its_end_once(
    config: Settings, ledger: Ledger, reader: Reader, shop: SteadyShop, mailbox: Mailbox,
    webhook: Webhook,
) -> None:
    with_mail(config, mailbox)
    config.alerts.webhook_url = webhook.url
    config.shop.dashboard_url = "https://dash.shop.example/"
    send = sender(config, ledger, reader)
    for _ in range(3):
        assert episodes.check_all(config, ledger, reader)[1] == []
        deliver(ledger, send)
    [told] = episodes.recorded(ledger)
    assert told.part == (("channel", "alipay"), ("product", "QUICK_WAP_WAY"))
    assert told.episode.begun_at == utc(TROUBLE[0])
    assert told.episode.ended_at is None
    assert (told.episode.worst, told.episode.baseline, told.episode.n) == (0.0, 0.9, 60)
    [reason] = told.contributors
    assert (reason["reason"], reason["client"]) == ("channel_error", "h5")
    seen = [o for o in shop.orders if TROUBLE[0] <= o.created_at < PART_END]
    assert (reason["lost"], reason["n"]) == (sum(not o.is_paid for o in seen), len(seen))
    assert reason["excess"] == pytest.approx(reason["lost"] - reason["n"] * 0.1)
    assert sorted(str(mail["To"]) for mail in mailbox.mails) == ["boss@shop.example", "ops@shop.example"]
    mail = mailbox.mails[0]
    assert "payment success fell" in str(mail["Subject"])
    body = mail.get_content()
    assert "0.0%" in body
    assert "90.0%" in body
    assert "2026-10-26 10:30:00 UTC+08" in body
    assert "https://dash.shop.example/conversion?from=2026-10-26" in body
    [document] = webhook.documents()
    assert document["event"] == "alert.raised"
    assert document["contributors"][0]["reason"] == "channel_error"

    assert run_mdash(config.home, "load", str(shop.after)).code == 0
    for _ in range(3):
        assert episodes.check_all(config, ledger, reader) == (0, [])
        deliver(ledger, send)
    [told] = episodes.recorded(ledger)
    assert told.episode.ended_at == utc(TROUBLE[1])
    assert [item["event"] for item in webhook.documents()] == ["alert.raised", "alert.recovered"]
    assert len(mailbox.mails) == 4
    assert counts(ledger) == {"sent": 6}


def test_two_schedulers_and_a_restart_never_tell_twice(
    config: Settings, ledger: Ledger, mailbox: Mailbox
) -> None:
    with_mail(config, mailbox)

    def work() -> None:
        own, reader = Ledger(config), Reader(config, retry_ladders())
        assert episodes.check_all(config, own, reader)[1] == []
        deliver(own, sender(config, own, reader))
        reader.close()
        own.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    assert len(episodes.recorded(ledger)) == 1
    assert len(mailbox.mails) == 2


def test_the_backtest_finds_what_the_live_check_found(
    config: Settings, ledger: Ledger, reader: Reader, shop: SteadyShop
) -> None:
    episodes.check_all(config, ledger, reader)
    assert run_mdash(config.home, "load", str(shop.after)).code == 0
    episodes.check_all(config, ledger, reader)
    [live] = episodes.recorded(ledger)
    [found] = backtest.backtest(reader, SuccessRate(), 30).findings
    assert (found.part, found.episode) == (live.part, live.episode)


def test_an_alert_closes_when_its_load_is_taken_back(
    config: Settings, ledger: Ledger, reader: Reader
) -> None:
    """Late data may show that nothing was wrong; then the episode does not stay open."""
    episodes.check_all(config, ledger, reader)
    save_rule(ledger, "success-rate", SuccessRate(fire_pp=100))
    stored = alert_rules.rule_named(ledger, "success-rate")
    with ledger.transaction() as connection:
        connection.exec_driver_sql("update alert_rules set checked_until = null")
    stored = alert_rules.rule_named(ledger, "success-rate")
    assert episodes.check(config, ledger, reader, stored) == 0
    [told] = episodes.recorded(ledger)
    assert told.episode.ended_at == told.episode.noticed_at


def test_one_rule_in_trouble_does_not_stop_the_others(
    config: Settings, ledger: Ledger, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_rule(ledger, "a-traffic", Traffic())

    def fail(*_: object) -> None:
        raise ValueError("secret")

    monkeypatch.setattr(backtest, "traffic_windows", fail)
    new, troubles = episodes.check_all(config, ledger, reader)
    assert new == 1
    assert [(name, type(error)) for name, error in troubles] == [("a-traffic", ValueError)]


def test_a_silent_source_is_noticed_by_the_clock(
    config: Settings, ledger: Ledger, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old history is not stale while it is being loaded, and is an hour later."""
    save_rule(ledger, "log-age", Freshness(source="checkout_log", older_than_h=40))
    mark = reader.watermarks()["checkout_log"]
    now = max(datetime.now(UTC).replace(tzinfo=None), mark + timedelta(days=3))
    for later, noticed in ((timedelta(minutes=1), 0), (timedelta(hours=2), 1), (timedelta(hours=2), 1)):
        monkeypatch.setattr(backtest, "clock", lambda at=now + later: at)
        episodes.check(config, ledger, reader, alert_rules.rule_named(ledger, "log-age"))
        told = [item for item in episodes.recorded(ledger) if item.alert == "log-age"]
        assert len(told) == noticed
    age = now + timedelta(hours=2) - mark
    assert told[0].episode.worst == pytest.approx(age / timedelta(hours=1), rel=0.01)


def test_a_new_home_is_quiet(settings: Settings) -> None:
    ledger, reader = Ledger(settings), Reader(settings, retry_ladders())
    assert episodes.check_all(settings, ledger, reader) == (0, [])
    assert backtest.backtest(reader, SuccessRate(), 90).as_of is None


def test_rules_are_kept_by_name(ledger: Ledger) -> None:
    first = save_rule(ledger, "mine", Traffic(least=30))
    again = save_rule(ledger, "mine", Traffic(least=40), is_enabled=False)
    assert (again.id, again.is_enabled) == (first.id, False)
    assert alert_rules.rule_named(ledger, "mine").rule == Traffic(least=40)
    with pytest.raises(RefusedInput, match="success-rate"):
        alert_rules.rule_named(ledger, "theirs")


def test_the_command_line_tells_the_same(config: Settings) -> None:
    listed = run_mdash(config.home, "alert", "list", "--json").json()
    assert {"success-rate", "traffic"} <= {item["name"] for item in listed["alerts"]}
    ran = run_mdash(config.home, "alert", "backtest", "success-rate", "--days", "30", "--json")
    document = ran.json()
    assert (ran.code, document["fired"]) == (0, 1)
    assert document["episodes"][0]["begun_at"] == "2026-10-26T10:30:00+08:00"
    assert run_mdash(config.home, "alert", "backtest", "nothing").code == 4
    checked = run_mdash(config.home, "alert", "check", "--json")
    assert (checked.code, checked.json()["troubles"]) == (0, [])
    assert run_mdash(config.home, "alert", "list").code == 0


def test_a_small_shop_is_not_woken_at_night(sample: Sample) -> None:
    """Ten orders a day prove no outage: the rules a shop begins with stay quiet over a year."""
    reader = Reader(load_settings(sample.home), retry_ladders())
    for _, rule in alert_rules.BEGINNING:
        if not isinstance(rule, Freshness):
            assert backtest.backtest(reader, rule, 380).findings == []
    reader.close()


def test_latency_cells_hold_every_receipt_and_what_never_came(sample: Sample) -> None:
    reader = Reader(load_settings(sample.home), retry_ladders())
    mark = reader.watermarks()["notification_log"]
    begin, end = mark - timedelta(days=30), mark - timedelta(days=3)
    [found] = latency_cells(reader, "notification", ("channel",), begin, end, mark).values()
    reader.close()
    told = [o for o in sample.orders if o.is_paid and begin <= utc(o.created_at) < end]
    counts_ = [cell.counts for cell in found]
    assert sum(sum(c.values()) for c in counts_) == len(told)
    assert sum(c.get(NEVER, 0) for c in counts_) == sum(not o.received_at for o in told)


@pytest.mark.slow
def test_the_planted_outage_is_found_and_nothing_else(tmp_path: Path, channel_key: bytes) -> None:
    home, _, merchant = busy_shop(tmp_path, channel_key, 1_400_000)
    reader = Reader(load_settings(home), retry_ladders())
    [found] = backtest.backtest(reader, SuccessRate(), 18).findings
    assert dict(found.part)["product"] == "QUICK_WAP_WAY"
    begun, ended = (utc(at) for at in merchant.outage)
    assert begun - timedelta(hours=1) <= found.episode.begun_at <= begun + timedelta(minutes=30)
    assert found.episode.ended_at is not None
    assert ended - timedelta(minutes=30) <= found.episode.ended_at <= ended + timedelta(minutes=30)
    assert found.episode.worst < 0.5
    assert backtest.backtest(reader, Traffic(), 18).findings == []
    reader.close()

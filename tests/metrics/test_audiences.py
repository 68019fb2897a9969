"""Audiences: counted anew, never with a buyer who did not agree or was erased, and recorded once."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.audiences import download
from dashboard.identity.rights import ROLES, Person
from dashboard.metrics.audience import Rules
from dashboard.metrics.question import Question
from dashboard.operations import audit
from dashboard.operations.ledger import Ledger
from dashboard.services import Services
from loaders.channels import retry_ladders
from loaders.errors import Forbidden
from loaders.privacy import pseudonym, pseudonym_key
from loaders.settings import load_settings
from loaders.store import erasure
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse
from sample_data.merchant import Order
from tests.conftest import Mdash, Sample, run_mdash
from tests.store.messages import body, envelope, fields, order

PERIOD = ("--from", "2026-10-01", "--to", "2026-10-31")
OCTOBER = Question(date(2026, 10, 1), date(2026, 10, 31))


def is_kept(order: Order) -> bool:
    back = sum(refund.amount_fen for refund in order.refunds)
    return order.paid_at is not None and back < order.amount_fen


def name_of(home: Path, buyer: str) -> str:
    return pseudonym(pseudonym_key(home), "shop", buyer)


def audience(sample: Sample, *arguments: str) -> dict[str, Any]:
    ran = sample.mdash("audience", *PERIOD, *arguments, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json()
    return found


def test_an_audience_is_counted_with_those_it_leaves_out(sample: Sample) -> None:
    end = sample.metric("segments", *PERIOD)["as_of"]
    until = datetime.fromisoformat(end).replace(tzinfo=None)
    kept: dict[int, list[Order]] = {}
    for made in sample.orders:
        if is_kept(made) and made.paid_at and made.paid_at < until:
            kept.setdefault(made.buyer, []).append(made)
    spent = {
        buyer: sum(o.amount_fen - sum(r.amount_fen for r in o.refunds) for o in orders)
        for buyer, orders in kept.items()
    }
    fits = [
        buyer for buyer, orders in kept.items()
        if 50_000 <= spent[buyer] <= 200_000
        and any(sku == "B1" for one in orders for sku, *_ in one.items)
    ]
    agreed = {buyer: kept[buyer][0].consent for buyer in fits}
    found = audience(sample, "--item", "B1", "--least-fen", "50000", "--most-fen", "200000")
    assert found["matched"] == len(fits) > 50
    assert found["size"] == sum(yes is True for yes in agreed.values())
    assert found["refused"] == sum(yes is False for yes in agreed.values())
    assert found["not_asked"] == sum(yes is None for yes in agreed.values())
    assert found["net_fen"] == sum(spent[buyer] for buyer in fits if agreed[buyer])


@pytest.mark.slow
def test_audiences_of_all_segments_and_risks_add_up(sample: Sample) -> None:
    whole = audience(sample)
    segments = {row["segment"]: row["buyers"] for row in sample.metric("segments", *PERIOD)["rows"]}
    risks = {row["risk"]: row["buyers"] for row in sample.metric("churn_risk", *PERIOD)["rows"]}
    for option, groups in (("--segment", segments), ("--risk", risks)):
        found = {name: audience(sample, option, name)["matched"] for name in groups}
        assert found == groups
        assert sum(found.values()) == whole["matched"]
    assert sample.mdash("audience", *PERIOD, "--segment", "heroes").code != 0


def exports(home: Path) -> list[dict[str, Any]]:
    """What the trail says was taken away."""
    ledger = Ledger(load_settings(home))
    with ledger.reading() as connection:
        found = [dict(row) for row in audit.entries(connection) if row["action"] == "exported"]
    ledger.close()
    return found


@pytest.fixture
def copy(sample: Sample, tmp_path: Path) -> Path:
    """The sample's home, to be changed."""
    return Path(shutil.copytree(sample.home, tmp_path / "home"))


def test_the_file_holds_pseudonyms_alone_and_is_recorded_once(
    sample: Sample, copy: Path, tmp_path: Path
) -> None:
    path, before = tmp_path / "audience.csv", len(exports(copy))
    take = ("audience", *PERIOD, "--segment", "loyal", "--to-file", str(path), "--json")
    first = run_mdash(copy, *take)
    assert first.code == 0, first.err
    names = members(path)
    assert len(names) == first.json()["size"] > 3
    assert set(names) <= {name_of(sample.home, f"u-{order.buyer}")
                          for order in sample.orders if order.consent}
    (entry,) = exports(copy)[before:]
    assert entry["subject"] == "audience.csv"
    told = json.loads(entry["detail"])
    assert (told["rows"], told["where"]["segments"]) == (len(names), ["loyal"])
    assert not [name for name in names if name in entry["detail"]]
    with Warehouse(load_settings(copy), retry_ladders()) as warehouse:
        erasure.erase(warehouse, names[:1])
    again = run_mdash(copy, *take)
    assert again.json()["erased"] == 1
    assert members(path) == names[1:]


def test_a_screens_file_is_of_the_moment_it_is_taken_and_recorded_once(copy: Path) -> None:
    services = Services(load_settings(copy), language="en", person=Person("ann", ROLES["analyst"]))
    item = download(services, OCTOBER, Rules(segments=("loyal",), least_fen=100))
    before = len(exports(copy))
    content = services.taken(item)()
    (entry,) = exports(copy)[before:]
    assert (entry["actor"], entry["subject"]) == ("ann", item.file_name)
    told = json.loads(entry["detail"])
    assert told["rows"] == item.count() == len(listed(content.decode("utf-8-sig")))
    assert told["where"] == {"segments": ["loyal"], "least_fen": ["100"]}
    gone = listed(content.decode("utf-8-sig"))[0]
    with Warehouse(load_settings(copy), retry_ladders()) as warehouse:
        erasure.erase(warehouse, [gone])
    assert gone not in services.taken(item)().decode("utf-8-sig")
    services.reader.close()


def test_without_the_right_no_audience_leaves(sample: Sample) -> None:
    viewer = Services(load_settings(sample.home), None, "en", Person("v", ROLES["viewer"]))
    item = download(viewer, OCTOBER, Rules(segments=("loyal",)))
    with pytest.raises(Forbidden):
        viewer.taken(item)()
    viewer.reader.close()


BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
Said = list[tuple[datetime, bool | None]]


def histories(draw: random.Random, buyers: int) -> dict[str, Said]:
    """What each buyer said with each order: yes, no or nothing, at times that may be the same."""
    return {
        f"u{number}": [
            (BEGIN + timedelta(days=draw.randrange(60), hours=draw.choice((0, 0, 9))),
             draw.choice((True, True, False, None)))
            for _ in range(draw.randint(1, 5))
        ]
        for number in range(buyers)
    }


def agrees(said: Said) -> bool:
    """The latest word is a yes, and no no was said at the same moment."""
    spoken = [(at, word) for at, word in said if word is not None]
    last = max((at for at, _ in spoken), default=None)
    return bool(spoken) and all(word for at, word in spoken if at == last)


def test_nobody_is_addressed_who_did_not_agree_or_was_erased(
    home: Path, mdash: Mdash, channel_key: bytes, tmp_path: Path
) -> None:
    """Random histories, told in any order, some buyers erased; half of it after the period asked of."""
    draw = random.Random(1)
    said = histories(draw, 90)
    told = [(buyer, at, word) for buyer, words in said.items() for at, word in words]
    draw.shuffle(told)
    events, messages = [], []
    for number, (buyer, at, word) in enumerate(told):
        more = {} if word is None else {"consent": word}
        events.append(order(f"M{number}", buyer=buyer, at=at.isoformat(),
                            expires_at=(at + timedelta(hours=1)).isoformat(), **more))
        local = at.replace(tzinfo=None) + timedelta(hours=8)
        messages.append(envelope(body(channel_key, fields(
            f"M{number}", gmt_create=f"{local}", gmt_payment=f"{local}", buyer_id=f"2088{number:012}",
        )), at.isoformat()))
    half = len(events) // 2
    for name, part in (("1", slice(half, None)), ("2", slice(half))):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(events[part]) + "\n", "utf-8")
        (tmp_path / f"{name}.log").write_text("\n".join(messages[part]) + "\n", "utf-8")
        assert mdash("load", str(tmp_path / f"{name}.jsonl"), str(tmp_path / f"{name}.log")).code == 0
    gone = draw.sample(sorted(said), 4)
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        erasure.erase(warehouse, [name_of(home, buyer) for buyer in gone])
    path = tmp_path / "audience.csv"
    for last in (BEGIN + timedelta(days=30), BEGIN + timedelta(days=90)):
        period = ("--from", f"{BEGIN:%Y-%m-%d}", "--to", f"{last:%Y-%m-%d}")
        ran = mdash("audience", *period, "--to-file", str(path), "--json")
        assert ran.code == 0, ran.err
        until = (last + timedelta(days=1)).replace(hour=0) - timedelta(hours=8)
        bought = {buyer for buyer, at, _ in told if at < until}
        wanted = {buyer for buyer in bought if agrees(said[buyer]) and buyer not in gone}
        assert set(members(path)) == {name_of(home, buyer) for buyer in wanted}
        assert ran.json()["erased"] == len(bought & set(gone))
        assert ran.json()["matched"] == len(bought)
    reader = Reader(load_settings(home), retry_ladders())
    names = [row["buyer"] for row in reader.rows("select distinct buyer from lake.trade")]
    assert {name[0] for name in names} == {"b", "x"}
    reader.close()


def listed(text: str) -> list[str]:
    """The pseudonyms in a file's text; nothing else may stand there."""
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert all(set(row) == {"channel", "buyer"} for row in rows)
    return [row["buyer"] for row in rows]


def members(path: Path) -> list[str]:
    return listed(path.read_text("utf-8-sig"))


@pytest.mark.parametrize("wrong", [
    ("audience", "--segment", "nobody"), ("audience", "--risk", "none"),
    ("audience", "--least-fen", "2", "--most-fen", "1"), ("plan", "--power", "2"),
    ("plan", "--holdout", "1"), ("plan", "--base", "0"),
])
def test_rules_that_do_not_exist_are_wrong_usage(sample: Sample, wrong: tuple[str, ...]) -> None:
    ran = sample.mdash(wrong[0], "--from", "2026-10-01", "--to", "2026-10-31", *wrong[1:])
    assert ran.code == 2
    assert ran.err
    assert "Traceback" not in ran.err

"""`mdash refund`, `approve`, `refunds`, `resolve` against the gateway, as the contract says."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dashboard.identity.accounts import Accounts
from dashboard.operations.ledger import Ledger
from loaders.remote import Remote
from loaders.settings import load_settings
from sample_data.gateway.gateway import Gateway
from sample_data.gateway.keys import APP_PRIVATE, CHANNEL_PUBLIC, GatewayKeys
from sample_data.gateway.ledger import Ledger as Money
from sample_data.gateway.ledger import Trade
from sample_data.gateway.server import Serving
from tests.conftest import Ran, make_home
from tests.jobs.conftest import Shop

pytestmark = pytest.mark.slow

REFUND = "alipay.trade.refund"
RULES = '[refunds]\napproval_above = "50.00"\nmax_amount = "80.00"\n'


@dataclass(frozen=True)
class Loaded:
    """A home that knows M1 and M2 as paid and M3 as not, and the gateway's books of them."""

    home: Path
    gateway: Gateway
    money: Money


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory, channel_key: bytes,
    gateway_keys: tuple[Path, GatewayKeys],
) -> Iterator[Loaded]:
    home = make_home(tmp_path_factory.mktemp("desk") / "home", channel_key, RULES)
    for name in (APP_PRIVATE, CHANNEL_PUBLIC):
        shutil.copy(gateway_keys[0] / name, home / "keys" / name)
    with Serving(Gateway(gateway_keys[1], Money(100_000_00))) as serving:
        with (home / "mdash.toml").open("a", encoding="utf-8") as file:
            file.write(f'app_private_key_file = "keys/{APP_PRIVATE}"\ngateway_url = "{serving.url}"\n'
                       "timeout_s = 2\n")
        shop = Shop(home, serving.gateway)
        for order_no in ("M1", "M2"):
            shop.order(order_no, timedelta(minutes=20), 10_000, paid_after=timedelta(minutes=1))
        shop.order("M3", timedelta(minutes=5))
        with Remote(shop.settings) as remote:
            for order_no in ("M1", "M2"):
                assert remote.ask("alipay", "query", order_no=order_no).is_known
        log = next((home / "logs").glob("calls-*.jsonl"))
        assert shop.mdash("load", str(home / "checkout.jsonl"), str(log)).code == 0
        staff(home)
        yield Loaded(home, serving.gateway, deepcopy(serving.gateway.ledger))


def staff(home: Path) -> None:
    """ann (admin), omar and olga (operators), paul (approver), vera (viewer)."""
    ledger = Ledger(load_settings(home))
    accounts = Accounts(ledger)
    accounts.add(None, "ann", "admin")
    ann = accounts.person("ann")
    for name, role in (("omar", "operator"), ("olga", "operator"), ("paul", "approver"),
                       ("vera", "viewer")):
        accounts.add(ann, name, role)
    ledger.close()


@pytest.fixture
def desk(loaded: Loaded, tmp_path: Path) -> Shop:
    loaded.gateway.ledger = deepcopy(loaded.money)
    loaded.gateway.plans.clear()
    return Shop(Path(shutil.copytree(loaded.home, tmp_path / "home")), loaded.gateway)


def trade(desk: Shop, order_no: str = "M1") -> Trade:
    found = desk.gateway.ledger.order(order_no)
    assert found is not None
    return found


def refund(desk: Shop, identifier: str, amount: str, *more: str, by: str = "omar") -> Ran:
    return desk.mdash(
        "refund", identifier, "--amount", amount, "--reason", "broken", "--as", by, "--json", *more
    )


def sent(desk: Shop) -> int:
    return sum(call["method"] == REFUND for call in desk.calls())


def test_a_refund_is_done_by_any_id_and_listed(desk: Shop) -> None:
    ran = refund(desk, trade(desk).trade_no, "12.34", "--refund-no", "HZ-01_a")
    assert ran.code == 0, ran.err
    document = ran.json()
    assert {name: document[name] for name in (
        "refund_no", "channel", "order_no", "amount_fen", "state", "requested_by", "approved_by",
        "message",
    )} == {
        "refund_no": "HZ-01_a", "channel": "alipay", "order_no": "M1", "amount_fen": 1234,
        "state": "done", "requested_by": "omar", "approved_by": None, "message": None,
    }
    assert [(item.number, item.amount_fen) for item in trade(desk).refunds] == [("HZ-01_a", 1234)]
    again = refund(desk, "M1", "12.34", "--refund-no", "HZ-01_a", by="olga")
    assert (again.code, again.json()) == (0, document)
    for order, amount in (("M1", "12.35"), ("M2", "12.34")):
        other = refund(desk, order, amount, "--refund-no", "HZ-01_a")
        assert (other.code, other.out) == (4, "")
    listed = desk.mdash("refunds", "--json").json()["refunds"]
    assert listed == [document]
    assert listed[0]["requested_at"].endswith("+08:00")
    assert (trade(desk).refunded_fen, sent(desk)) == (1234, 1)


def test_above_the_limit_a_second_person_approves(desk: Shop) -> None:
    asked = refund(desk, "M1", "60.00", by="paul")
    assert (asked.code, asked.json()["state"]) == (0, "awaiting_approval")
    number = asked.json()["refund_no"]
    for name in ("paul", "omar", "stranger"):
        assert desk.mdash("approve", number, "--as", name, "--json").code == 4
    assert sent(desk) == 0
    approved = desk.mdash("approve", number, "--as", "ann", "--json")
    assert (approved.code, approved.json()["state"]) == (0, "done")
    assert (approved.json()["requested_by"], approved.json()["approved_by"]) == ("paul", "ann")
    assert trade(desk).refunded_fen == 6000


def test_what_our_rules_refuse_is_never_sent(desk: Shop) -> None:
    for amount, order_no, by in (
        ("1e2", "M1", "omar"), ("80.01", "M1", "omar"), ("1.00", "M3", "omar"),
        ("1.00", "M1", "stranger"), ("1.00", "wei@example.com", "omar"), ("-1", "M1", "omar"),
    ):
        ran = refund(desk, order_no, amount, by=by)
        assert (ran.code, ran.out) == (4, ""), (amount, order_no, by)
        assert ran.err
    assert sent(desk) == 0
    assert desk.mdash("refunds", "--json").json() == {"refunds": []}
    trail = [json.loads(line) for line in desk.mdash("audit", "export").out.splitlines()]
    told = [row for row in trail if row["action"] in ("refused", "refund_refused")]
    assert len(told) == 6
    assert "wei@" not in json.dumps(told)


def test_silence_is_unknown_until_resolved(desk: Shop) -> None:
    desk.gateway.plans.add({"how": "silent_after", "method": REFUND})
    began = time.monotonic()
    ran = refund(desk, "M1", "20.00")
    assert time.monotonic() - began < 4 * 2 + 15
    assert (ran.code, ran.json()["state"]) == (3, "unknown"), ran.err
    assert ran.json()["message"]
    run = desk.mdash("resolve", "--json")
    assert (run.code, run.json()["open"]) == (0, 0)
    assert [item["state"] for item in run.json()["refunds"]] == ["done"]
    assert [item.amount_fen for item in trade(desk).refunds] == [2000]
    assert desk.mdash("resolve", "--json").json() == {"refunds": [], "open": 0}


@pytest.mark.slow
def test_two_refunds_of_an_order_are_three_seconds_apart(desk: Shop) -> None:
    assert refund(desk, "M1", "1.00").code == 0
    assert refund(desk, "M1", "2.00").code == 0
    first, second = trade(desk).refunds
    assert second.at - first.at >= timedelta(seconds=3)


@pytest.mark.slow
def test_silence_to_everything_ends_in_time(desk: Shop) -> None:
    desk.gateway.plans.add({"how": "silent_before", "times": None})
    for arguments in (("refund", "M1", "--amount", "1", "--reason", "x", "--as", "omar"),
                      ("resolve",)):
        began = time.monotonic()
        assert desk.mdash(*arguments, "--json").code == 3
        assert time.monotonic() - began < 4 * 2 + 15


@pytest.mark.slow
@pytest.mark.parametrize("how", ["reset_before", "system_error_after", "unsigned", "other_order",
                                 "other_amount", "unavailable_before", "truncated", "drip=9"])
def test_without_proof_it_is_unknown(desk: Shop, how: str) -> None:
    desk.gateway.plans.add({"how": how, "method": REFUND})
    ran = refund(desk, "M1", "20.00")
    assert (ran.code, ran.json()["state"]) == (3, "unknown"), ran.err
    for _ in range(5):
        run = desk.mdash("resolve", "--json")
        if run.code == 0:
            break
        time.sleep(1.5)
    assert run.code == 0
    assert [item.amount_fen for item in trade(desk).refunds] == [2000]

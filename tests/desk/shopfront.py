"""A trade desk: staff, a paid order, and the stand-in gateway over a socket."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.identity.accounts import Accounts
from dashboard.operations.ledger import Ledger
from sample_data.gateway.ledger import Trade
from tests.jobs.conftest import Shop, gateway_keys, serving, shop

__all__ = ["gateway_keys", "serving", "shop"]
RULES = '[refunds]\napproval_above = "50.00"\nmax_amount = "80.00"\n'
PASSWORD = "correct horse battery"


@pytest.fixture
def desk(shop: Shop) -> Shop:
    """A shop with staff: ann (admin), omar and olga (operators), paul (approver), vera (viewer)."""
    toml = shop.home / "mdash.toml"
    toml.write_text(toml.read_text("utf-8") + RULES, "utf-8")
    ledger = Ledger(shop.settings)
    accounts = Accounts(ledger)
    accounts.add(None, "ann", "admin")
    ann = accounts.person("ann")
    for name, role in (("omar", "operator"), ("olga", "operator"), ("paul", "approver"),
                       ("vera", "viewer")):
        accounts.add(ann, name, role)
    ledger.close()
    return shop


def paid(desk: Shop, order_no: str = "M1", amount_fen: int = 10_000) -> Trade:
    """An order that the shop knows as paid, by asking the channel."""
    trade = desk.order(order_no, timedelta(minutes=20), amount_fen, paid_after=timedelta(minutes=1))
    desk.load()
    assert desk.mdash("query", order_no, "--json").code == 0
    return trade

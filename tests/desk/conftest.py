"""A trade desk without a store: real ledger, real messages, the stand-in gateway in this process."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import insert, select

from dashboard.identity.rights import ROLES, Person, Role
from dashboard.identity.tables import ACCOUNTS
from dashboard.operations import policy, resolve
from dashboard.operations.ledger import Ledger, now
from dashboard.operations.policy import Order
from dashboard.operations.refunds import Refund, Refunds
from loaders.channels.alipay import trade as alipay
from loaders.channels.protocol import Message, Reply, Stamp
from loaders.errors import NoAnswer
from loaders.records import Answer, refund_outcome
from loaders.settings import Settings, load_settings
from loaders.transport import Intent
from sample_data.gateway.gateway import Clock, Gateway, china_now
from sample_data.gateway.keys import APP_PRIVATE, CHANNEL_PUBLIC, GatewayKeys, make_keys
from sample_data.gateway.ledger import Ledger as Money
from sample_data.gateway.ledger import Trade
from sample_data.gateway.misbehaviour import Behaviour, read_behaviour

OMAR, OLGA = (Person(name, ROLES["operator"]) for name in ("omar", "olga"))
PAUL, PIA = (Person(name, ROLES["approver"]) for name in ("paul", "pia"))
VERA = Person("vera", ROLES["viewer"])
_LOST = ("silent", "reset", "bad_gateway")


def person(name: str, base: str = "operator", **changes: Any) -> Person:
    """Somebody with a role of the home's own."""
    role = ROLES[base]
    return Person(name, Role(name, role.rights, **changes))


@dataclass
class Wire:
    """Messages signed, carried and read as over the network; what the gateway does is planned."""

    gateway: Gateway
    keys: Any
    guard: threading.Lock = field(default_factory=threading.Lock)
    plan: Callable[[str], str] = field(default=lambda _: "")
    heard: list[tuple[str, str, Answer[Any]]] = field(default_factory=list)
    before: Callable[[str], None] = field(default=lambda _: None)
    after: Callable[[str], None] = field(default=lambda _: None)

    def ask(
        self, channel: str, call: str, *, intent: Intent | None = None, **fields: Any
    ) -> Answer[Any]:
        """As `Remote.ask`."""
        assert channel == "alipay"
        wanted = alipay.CALLS[call]
        request = wanted.takes(**fields)
        message = wanted.ask(request, self.keys, Stamp(now(), os.urandom(16)))
        assert bool(intent) == message.moves_money
        self.before(call)
        if intent is not None:
            intent(message)
        how = self.plan(call)
        if how == "unreachable":
            return Answer(was_sent=False, may_repeat=True, why=NoAnswer("The channel is away."))
        reply = self._carried(message, read_behaviour(how))
        self.after(call)
        answer: Answer[Any] = (
            wanted.read(reply, request, self.keys) if reply
            else Answer(may_repeat=True, why=NoAnswer("The channel was silent."))
        )
        with self.guard:
            self.heard.append((call, fields.get("refund_no", ""), answer))
        return answer

    def _carried(self, message: Message, bad: Behaviour) -> Reply | None:
        if any(f"{kind}_before" in bad for kind in _LOST):
            return None
        fields = dict(parse_qsl(message.body.decode("ascii"))) | {"charset": "utf-8"}
        with self.guard:
            body = self.gateway.answer(fields, bad).body()
        if any(f"{kind}_after" in bad for kind in _LOST):
            return None
        return Reply(200, {}, body[: len(body) // 2] if "truncated" in bad else body)

    def sent(self, refund_no: str | None = None) -> int:
        """How many messages that move money were answered, or lost."""
        return sum(
            call == "refund" and refund_no in (None, number) for call, number, _ in self.heard
        )


@dataclass
class Desk:
    """A home's refunds, and the gateway they are made at."""

    settings: Settings
    ledger: Ledger
    wire: Wire
    books: dict[str, Order]
    refunds: Refunds
    moment: timedelta = timedelta(milliseconds=1)

    def order(self, channel: str, order_no: str) -> Order | None:
        """What was loaded of an order."""
        return self.books.get(order_no) if channel == "alipay" else None

    def paid(self, order_no: str = "M1", amount_fen: int = 10_000, **known: Any) -> Trade:
        """An order paid at the gateway and known as paid."""
        at = china_now().replace(microsecond=0) - timedelta(minutes=30)
        trade = self.wire.gateway.ledger.place(Trade(order_no, "", amount_fen, at, subject="杯"))
        self.wire.gateway.ledger.pay(trade, at)
        facts: dict[str, Any] = {"paid_at": at - timedelta(hours=8), "store": None} | known
        self.books[order_no] = Order(
            "alipay", order_no, trade.trade_no, amount_fen=amount_fen, **facts
        )
        return trade

    def find(self, identifier: str) -> list[tuple[str, str]]:
        """Orders with this id."""
        return [("alipay", item.order_no) for item in self.books.values()
                if identifier in (item.order_no, item.trade_no)]

    def trade(self, order_no: str) -> Trade:
        """The order at the gateway."""
        found = self.wire.gateway.ledger.order(order_no)
        assert found is not None
        return found

    def ask(
        self, amount_fen: int = 1_000, by: Person = OMAR, order_no: str = "M1", **more: Any
    ) -> Refund:
        """Ask for a refund."""
        return self.refunds.request(by, "alipay", order_no, amount_fen, "broken", **more)

    def process(self) -> Refunds:
        """Refunds of the same home as another process has them: with a ledger of its own."""
        return Refunds(self.settings, None, Ledger(self.settings), self.wire.ask, self)  # type: ignore[arg-type]

    def settle(self, runs: int = 40) -> None:
        """Let everything open be resolved while the gateway answers well."""
        self.wire.plan = lambda _: ""
        for _ in range(runs):
            self.refunds.resolve(everything=True)
            if not self.refunds.count_open():
                return
            threading.Event().wait(0.004)
        raise AssertionError([item.state for item in self.refunds.refunds()])

    def settle_spaced(self, seconds: float) -> None:
        """Resolve as often as the spacing of messages asks for."""
        for _ in range(10):
            if not self.refunds.count_open():
                return
            threading.Event().wait(seconds)
            self.refunds.resolve(everything=True)

    def actions(self, refund_no: str) -> list[str]:
        """The steps of a refund in the trail, in order."""
        from dashboard.operations import audit

        with self.ledger.reading() as connection:
            return [row["action"] for row in audit.entries(connection)
                    if row["subject"] == refund_no]


@pytest.fixture(scope="session")
def gateway_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GatewayKeys]:
    """A folder with every key and certificate, and what the gateway holds of them."""
    folder = tmp_path_factory.mktemp("gateway-keys")
    return folder, make_keys(folder)


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spacing and the quiet time of a few milliseconds; what waits for them still does."""
    monkeypatch.setitem(policy.SPACING, "alipay", timedelta(milliseconds=2))
    monkeypatch.setattr(resolve, "QUIET", timedelta(milliseconds=2))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of histories need no disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def desk(folder: Path, gateway_keys: tuple[Path, GatewayKeys], swift: None) -> Iterator[Desk]:
    """A desk whose home is new."""
    made = make_desk(load_settings(folder / "home"), gateway_keys)
    yield made
    made.ledger.close()


def _config(app_id: str, seller_id: str) -> dict[str, Any]:
    return {
        "app_id": app_id, "seller_id": seller_id,
        "gateway_url": "http://127.0.0.1/gateway.do", "app_private_key_file": APP_PRIVATE,
        "alipay_public_key_file": CHANNEL_PUBLIC, "timeout_s": 2,
    }


@cache
def _known(folder: Path, app_id: str, seller_id: str) -> Any:
    """The shop's keys, read once: a private key is checked when it is read."""
    return alipay.read_keys(_config(app_id, seller_id), lambda name: (folder / name).read_bytes())


def make_desk(settings: Settings, keys: tuple[Path, GatewayKeys]) -> Desk:
    """A desk in a home, with a gateway of its own."""
    settings.channels["alipay"] = _config(keys[1].app_id, keys[1].seller_id)
    known = _known(keys[0], keys[1].app_id, keys[1].seller_id)
    wire = Wire(Gateway(keys[1], Money(1_000_000_00), clock=Clock()), known)
    ledger = Ledger(settings)
    staff(ledger)
    books: dict[str, Order] = {}
    desk = Desk(settings, ledger, wire, books, None)  # type: ignore[arg-type]
    desk.refunds = Refunds(settings, None, ledger, wire.ask, desk)  # type: ignore[arg-type]
    return desk


def staff(ledger: Ledger) -> None:
    """Accounts of those who ask for refunds; who approves one reads whether they still may."""
    people = {item.name: item.role.name for item in (OMAR, OLGA, PAUL, PIA, VERA)}
    people["little"] = "operator"
    rows = [{"name": name, "role": role, "is_active": True, "is_demo": False, "created_at": now()}
            for name, role in people.items()]
    with ledger.transaction() as connection:
        if connection.execute(select(ACCOUNTS.c.name)).first() is None:
            connection.execute(insert(ACCOUNTS), rows)


def agree(desk: Desk, order_no: str, *, at_rest: bool = True) -> None:
    """The gateway's money and the ledger agree to the fen, and every verdict had its proof."""
    money = {item.number: item.amount_fen for item in desk.trade(order_no).refunds}
    rows = desk.refunds.refunds(channel="alipay", order_no=order_no)
    done = {item.refund_no: item.amount_fen for item in rows if item.state == "done"}
    assert done.items() <= money.items(), "done without money"
    assert not {item.refund_no for item in rows if item.state == "refused"} & set(money), "lost"
    if at_rest:
        assert done == money
    aside = sum(item.amount_fen for item in rows if item.state != "refused")
    assert aside <= desk.trade(order_no).amount_fen
    for item in rows:
        if item.state == "done":
            assert any(
                number == item.refund_no and refund_outcome(answer) == "done" and answer.is_verified
                for _, number, answer in desk.wire.heard
            ), "done without proof"
        if item.state == "refused" and item.tries:
            assert any(
                number == item.refund_no and answer.is_verified and answer.sub_code
                and not answer.is_success for _, number, answer in desk.wire.heard
            ), "refused without proof"



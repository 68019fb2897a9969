"""Every role against everything that can be done here: one row each, by the services themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from subprocess import CompletedProcess
from typing import Any

import pytest

from dashboard import asking, audiences, buyers
from dashboard import services as services_module
from dashboard.identity.accounts import Accounts
from dashboard.identity.rights import RIGHTS, Person, Role
from dashboard.metrics.audience import Rules
from dashboard.metrics.question import Question
from dashboard.month_end import save_pack
from dashboard.operations import audit, schedules
from dashboard.operations.ledger import Ledger
from dashboard.reconciling import act as work
from dashboard.refund_desk import RefundDesk
from dashboard.services import Services
from dashboard.trade_document import trade_document
from loaders.errors import Forbidden, MdashError
from loaders.records import Answer
from loaders.settings import load_settings
from sample_data.gateway.gateway import china_now
from sample_data.gateway.keys import make_keys
from sample_data.gateway.ledger import Trade
from tests.desk.conftest import PAUL, Desk, make_desk
from tests.identity.conftest import PASSWORD
from tests.identity.test_rights import MAY, PEOPLE

DAY = date(2026, 10, 1)
Do = Callable[[], object]
NO_TRADE = "There is no trade with this id."
NOTHING = "Nothing has been loaded into this home yet."
NO_BUYER = "No buyer is known under this id, or the buyer was erased before."


@dataclass
class Shop:
    """One home for all rows: each act has an order, an account or a name of its own."""

    desk: Desk
    accounts: Accounts
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def boss(self) -> Person:
        """The administrator who prepares what others try."""
        return self.accounts.person("admin")

    def new(self, what: str) -> str:
        """A name that nothing had before."""
        return f"{what}{next(self.numbers)}"

    def services(self, person: Person) -> Services:
        """The services as a screen has them."""
        return Services(self.desk.settings, language="en", person=person)

    def office(self, person: Person) -> RefundDesk:
        """The refund desk as a screen has it."""
        return RefundDesk(self.desk.refunds, lambda: person)

    def order(self) -> str:
        """A paid order."""
        name = self.new("M")
        self.desk.paid(name)
        return name

    def unpaid(self) -> str:
        """An order that waits for its buyer."""
        known = self.desk.books[self.order()]
        at = china_now().replace(microsecond=0) - timedelta(minutes=5)
        trade = self.desk.wire.gateway.ledger.place(Trade(self.new("U"), "", 500, at, subject="杯"))
        self.desk.books[trade.order_no] = replace(
            known, order_no=trade.order_no, trade_no=trade.trade_no, amount_fen=500,
            paid_at=None,
        )
        return trade.order_no

    def asked(self, by: Person) -> str:
        """A refund that waits for approval."""
        return self.desk.ask(2_000, by, self.order()).refund_no

    def account(self) -> str:
        """A viewer's account."""
        return self.accounts.add(self.boss, self.new("eve"), "viewer").name

    def alert(self) -> str:
        """An alert."""
        name = self.new("alert")
        self.services(self.boss).people.save_rule(name, {"kind": "traffic"})
        return name

    def item(self, proposed_by: Person | None = None) -> dict[str, Any]:
        """An item of the reconciliation; somebody may have proposed to write it off."""
        found = {
            "item": self.new("i"), "class": "short", "amount_fen": 100, "bill": "trade_bill",
            "channel": "alipay", "day": DAY, "order_no": "M1",
        }
        if proposed_by is not None:
            work(self.services(able(proposed_by)), "propose", found, "old")
        return found

    def report(self, owner: Person) -> int:
        """A report of this person's."""
        return schedules.save_schedule(
            self.desk.ledger, self.new("report"), "daily", "08:30", ["a@b.example"], owner=owner.name
        ).id


@dataclass(frozen=True)
class Act:
    """An act: the rights of which one is needed, what is done, and what it says of an empty home.

    Who is `not_for` may not, whatever their rights.
    """

    rights: set[str]
    made: Callable[[Shop, Person], Do]
    says: str | None = None
    not_for: str = ""


def able(me: Person) -> Person:
    """The same person when they still had every right."""
    return Person(me.name, Role("able", frozenset(RIGHTS)))


def of(right: str, made: Callable[[Shop, Person], Do], says: str | None = None) -> Act:
    return Act({right}, made, says)


def remove_note(shop: Shop, me: Person) -> Do:
    people = shop.services(able(me)).people
    people.add_note(DAY, shop.new("note"), {})
    note = people.notes(Question(DAY, DAY, (), {}))[-1]
    return lambda: shop.services(me).people.remove_note(note.id)


def remove_view(shop: Shop, me: Person) -> Do:
    people, name = shop.services(able(me)).people, shop.new("view")
    people.save_view(name, "overview", "", is_shared=True)
    view = next(item for item in people.views() if item.name == name)
    return lambda: shop.services(me).people.remove_view(view.id)


def take_away(shop: Shop, me: Person) -> Do:
    from dashboard.exports.files import Download

    item = Download("csv", "x.csv", lambda: b"x")
    return lambda: shop.services(me).taken(item)()


def take_audience(shop: Shop, me: Person) -> Do:
    services, asked = shop.services(me), Question(DAY, DAY)
    return lambda: services.taken(audiences.download(services, asked, Rules()))()


def with_number(prepare: Callable[[Shop, Person], Any], act: Callable[[Shop, Person, Any], Any]) -> Any:
    """What is prepared before the person acts."""
    def made(shop: Shop, me: Person) -> Do:
        prepared = prepare(shop, me)
        return lambda: act(shop, me, prepared)

    return made


def report_of(shop: Shop, me: Person) -> Do:
    name = shop.new("report")
    return lambda: shop.services(me).people.save_schedule(
        name, "daily", "08:30", ["a@b.example"], on_day=None, view_id=None, format_="none"
    )


ACTS: dict[str, Act] = {
    "see a metric": of("see", lambda s, me: lambda: s.services(me).metric(
        "sales", Question(DAY, DAY, (), {}))),
    "read a trade": of("see", lambda s, me: lambda: trade_document(s.services(me), "M0"), NO_TRADE),
    "read a buyer": of("see", lambda s, me: lambda: buyers.named(s.services(me), "wei")),
    "read a buyer's page": of("see", lambda s, me: lambda: buyers.read(
        s.services(me), Question(DAY, DAY), "b" + "0" * 20)),
    "count an audience": of("see", lambda s, me: lambda: audiences.counts(
        s.services(me), Question(DAY, DAY), Rules())),
    "look up a list": of("see", lambda s, me: lambda: s.services(me).trade_desk.many(["M0"])),
    "ask the channel": of("query", lambda s, me: lambda: s.services(me).query("M0")),
    "ask for a refund": of("refund", with_number(
        lambda s, me: s.order(), lambda s, me, no: s.office(me).request("alipay", no, 100, "x", no))),
    "withdraw a refund": of("refund", with_number(
        lambda s, me: s.asked(able(me)), lambda s, me, no: s.office(me).take_back(no))),
    "ask again": of("refund", with_number(
        lambda s, me: s.asked(PAUL), lambda s, me, no: s.office(me).ask_again(no))),
    "read a file of refunds": of("refund", lambda s, me: lambda: s.office(me).preview(
        b"order_no,amount,reason\nM0,1.00,x\n")),
    "cancel a payment": of("refund", with_number(
        lambda s, me: s.unpaid(), lambda s, me, no: s.office(me).cancel("alipay", no))),
    "approve": of("approve", with_number(
        lambda s, me: s.asked(PAUL), lambda s, me, no: s.desk.refunds.approve(me, no))),
    "decline": of("approve", with_number(
        lambda s, me: s.asked(PAUL), lambda s, me, no: s.office(me).decline(no, "no"))),
    "take a file away": of("export", take_away),
    "take an audience away": of("export", take_audience),
    "save a report": of("export", report_of),
    "remove a report": of("export", with_number(
        lambda s, me: s.report(me), lambda s, me, no: s.services(me).people.remove_schedule(no))),
    "unmask": of("unmask", lambda s, me: lambda: s.services(me).unmask(
        "alipay", "M0", "payer_id", "the buyer called"), NOTHING),
    "load": of("load", lambda s, me: lambda: s.services(me).upload_contents([("x.csv", b"x")])),
    "undo": of("load", lambda s, me: lambda: s.services(me).undo(1)),
    "save an alert": Act({"load", "administer"}, with_number(
        lambda s, me: s.new("alert"),
        lambda s, me, no: s.services(me).people.save_rule(no, {"kind": "traffic"}))),
    "remove an alert": Act({"load", "administer"}, with_number(
        lambda s, me: s.alert(), lambda s, me, no: s.services(me).people.remove_rule(no))),
    "write a note": of("see", lambda s, me: lambda: s.services(me).people.add_note(DAY, "x", {})),
    "remove one's note": of("see", remove_note),
    "save a view": of("see", lambda s, me: lambda: s.services(me).people.save_view(
        "x", "overview", "", is_shared=False)),
    "remove one's view": of("see", remove_view),
    "erase": of("administer", lambda s, me: lambda: s.services(me).erase("wei", "asked for"), NO_BUYER),
    "add an account": of("administer", with_number(
        lambda s, me: s.new("eve"), lambda s, me, no: s.accounts.add(me, no, "viewer"))),
    "change a role": of("administer", with_number(
        lambda s, me: s.account(), lambda s, me, no: s.accounts.set_role(me, no, "analyst"))),
    "disable": of("administer", with_number(
        lambda s, me: s.account(), lambda s, me, no: s.accounts.disable(me, no))),
    "reset": of("administer", with_number(
        lambda s, me: s.account(), lambda s, me, no: s.accounts.reset(me, no))),
    "save a role": of("administer", with_number(
        lambda s, me: s.new("role"),
        lambda s, me, no: s.accounts.save_role(me, Role(no, frozenset(("see",)))))),
    "give an item to somebody": of("query", with_number(
        lambda s, me: s.item(), lambda s, me, no: work(s.services(me), "assign", no, "x"))),
    "explain an item": of("query", with_number(
        lambda s, me: s.item(), lambda s, me, no: work(s.services(me), "explain", no, "x"))),
    "propose a write-off": Act({"query"}, with_number(
        lambda s, me: s.item(), lambda s, me, no: work(s.services(me), "propose", no, "x")),
        not_for="local"),
    "approve a write-off": of("approve", with_number(
        lambda s, me: s.item(PAUL), lambda s, me, no: work(s.services(me), "approve", no))),
    "decline a write-off": of("approve", with_number(
        lambda s, me: s.item(PAUL), lambda s, me, no: work(s.services(me), "decline", no))),
    "open an item again": of("query", with_number(
        lambda s, me: s.item(PAUL), lambda s, me, no: work(s.services(me), "reopen", no))),
    "take the month-end pack": of("export", lambda s, me: lambda: save_pack(
        s.services(me), Question(DAY, DAY), s.desk.settings.home / f"{s.new('p')}.xlsx"), NOTHING),
    "read the trail": of("administer", lambda s, me: s.services(me).trail.read),
}
UNRECORDED = {"see a metric", "read a trade", "look up a list", "read the trail",
              "read a file of refunds", "read a buyer", "read a buyer's page", "count an audience"}
"""Acts whose refusal is no row of the trail."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The home, with an account of each built-in role."""
    keys = tmp_path_factory.mktemp("keys")
    settings = load_settings(tmp_path_factory.mktemp("acts") / "home")
    settings.refunds.approval_above = Decimal(10)
    Accounts(Ledger(settings)).add(None, "admin", "admin", PASSWORD)
    desk = make_desk(settings, (keys, make_keys(keys)))
    accounts = Accounts(desk.ledger)
    accounts.add(accounts.person("admin"), PAUL.name, PAUL.role.name)
    for name, person in PEOPLE.items():
        if name in ("viewer", "analyst", "operator", "approver"):
            accounts.add(accounts.person("admin"), name, person.role.name)
    yield Shop(desk, accounts)
    desk.ledger.close()


class StandIn:
    """A channel that knows nothing."""

    def ask(self, *_: object, **__: object) -> Answer[Any]:
        """Nothing is known."""
        return Answer()


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a network nor another process: what is asked of them is another test's matter."""
    monkeypatch.setattr(asking.remote, "shared", lambda _: StandIn())
    monkeypatch.setattr(asking, "load_calls", lambda *_: None)
    monkeypatch.setattr(services_module.uploads, "load_contents", lambda *_: [])
    monkeypatch.setattr(services_module, "run", lambda *_: CompletedProcess((), 0, "", ""))


def trail_of(ledger: Ledger, actor: str) -> list[str]:
    with ledger.reading() as connection:
        return [row["action"] for row in audit.entries(connection) if row["actor"] == actor]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", MAY)
def test_who_may_do_what(name: str, act: str, shop: Shop) -> None:
    me, row = PEOPLE[name], ACTS[act]
    do = row.made(shop, me)
    before = trail_of(shop.desk.ledger, name)
    if row.rights & MAY[name] and name != row.not_for:
        if row.says is None:
            do()
        else:
            with pytest.raises(MdashError) as caught:
                do()
            assert caught.value.template == row.says
        assert "refused" not in trail_of(shop.desk.ledger, name)[len(before):]
    else:
        with pytest.raises(Forbidden):
            do()
        told = trail_of(shop.desk.ledger, name)[len(before):]
        assert told == ([] if act in UNRECORDED else ["refused"])


def test_every_right_has_an_act() -> None:
    assert set().union(*(row.rights for row in ACTS.values())) == set(RIGHTS)

"""Accounts made by hand: two merchant numbers, odd vouchers, fees inside refunds, splits, thin fees."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from dashboard import reconciling
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.errors import RefusedInput
from loaders.settings import load_settings
from sample_data import files
from sample_data.files import Line
from sample_data.wechat_files import fund_flow, trade_bill
from tests.conftest import Mdash
from tests.reconciliation.test_hand_made import PERIOD, items, taken
from tests.store.test_bills import load
from tests.store.test_unionpay_bills import back, paid

pytestmark = pytest.mark.slow

FLOW = "1900000109Basic2026-05-03.csv"


def settle(mdash: Mdash, folder: Path, lines: list[Line], flow: bytes, trade: bytes = b"") -> None:
    load(mdash, folder / "trade.csv", trade or trade_bill(lines))
    assert load(mdash, folder / FLOW, flow)["status"] == "loaded"


def account(mdash: Mdash) -> dict[str, int]:
    """Items of the account by class; the sum to its bill comes out."""
    for row in mdash("metric", "reconciliation_identity", *PERIOD).json()["rows"]:
        assert row["gap_fen"] == 0
    found: dict[str, int] = {}
    for row in items(mdash, "account_reconciliation_items"):
        found[row["class"]] = found.get(row["class"], 0) + 1
    return found


def refunded() -> list[Line]:
    first = taken(1, 10_000, 60)
    at = datetime(2026, 5, 3, 12)
    return [first, taken(2, 5_000, 30), back(first, at, 4_000, "RF1")]


def lines_of(flow: bytes) -> list[str]:
    return flow.decode("utf-8-sig").split("\r\n")


def rewritten(flow: bytes, wanted: str, **cells: str) -> bytes:
    """The flow with some cells of the lines of a type changed."""
    header, *rows = lines_of(flow)
    names = header.split(",")
    for at, row in enumerate(rows):
        held = [cell.removeprefix("`") for cell in row.split(",")]
        if len(held) == len(names) and held[names.index("业务类型")] == wanted:
            for name, text in cells.items():
                held[names.index(name)] = text
            rows[at] = ",".join(f"`{cell}" for cell in held)
    return ("\r\n".join([header, *rows])).encode()


def without(flow: bytes, wanted: str) -> bytes:
    """The flow without the lines of a type; its summary counts what is left."""
    return "\r\n".join(row for row in lines_of(flow) if f",`{wanted}," not in row).encode()


def summed(flow: bytes) -> bytes:
    """The flow with a summary of what it holds."""
    header, *rows = [row for row in lines_of(flow) if row]
    names, body = header.split(","), rows[:-2]
    sums: dict[str, list[int]] = {"收入": [0, 0], "支出": [0, 0]}
    for row in body:
        cells = [cell.removeprefix("`") for cell in row.split(",")]
        own = sums[cells[names.index("收支类型")]]
        own[0] += 1
        own[1] += int(cells[names.index("收支金额(元)")].replace(".", ""))
    told = [str(len(body))]
    for count, fen in sums.values():
        told += [str(count), f"{fen // 100}.{fen % 100:02}"]
    return "\r\n".join([header, *body, rows[-2], ",".join(f"`{cell}" for cell in told)]).encode()


@pytest.mark.parametrize("voucher", ["X-77", ""])
def test_a_refund_under_another_number_is_found_by_its_amount(
    mdash: Mdash, tmp_path: Path, voucher: str
) -> None:
    lines = refunded()
    flow = rewritten(fund_flow(lines), "退款", 业务凭证号=voucher, 微信支付业务单号="503009")
    flow = rewritten(flow, "退还交易手续费", 业务凭证号=voucher, 微信支付业务单号="503009")
    settle(mdash, tmp_path, lines, flow)
    assert account(mdash) == {"matched": 5}


def test_two_refunds_of_one_amount_are_not_guessed(mdash: Mdash, tmp_path: Path) -> None:
    first, second = taken(1, 10_000, 0), taken(2, 10_000, 0)
    at = datetime(2026, 5, 3, 12)
    lines = [first, second, back(first, at, 4_000, "RF1"), back(second, at, 4_000, "RF2")]
    flow = rewritten(fund_flow(lines), "退款", 业务凭证号="X-77", 微信支付业务单号="503009")
    settle(mdash, tmp_path, lines, flow)
    assert account(mdash) == {"matched": 2, "short": 2, "long": 1}


def test_a_payment_of_an_unknown_voucher_is_known_by_the_channels_number(
    mdash: Mdash, tmp_path: Path
) -> None:
    lines = refunded()
    flow = rewritten(fund_flow(lines[:2]), "交易", 业务凭证号="X-1")
    settle(mdash, tmp_path, lines[:2], flow)
    assert account(mdash) == {"matched": 4}


def test_a_fee_given_back_within_the_refund_is_no_difference(mdash: Mdash, tmp_path: Path) -> None:
    lines = refunded()
    flow = without(fund_flow(lines), "退还交易手续费")
    told = {"收支金额(元)": "39.76", "备注": "退款总金额40.00元;含手续费0.24元"}
    flow = summed(rewritten(flow, "退款", **told))
    settle(mdash, tmp_path, lines, flow)
    assert account(mdash) == {"matched": 5}
    assert {row["class"] for row in items(mdash)} == {"long"}


def test_a_split_that_the_trade_bill_cannot_tell_is_no_difference(
    mdash: Mdash, tmp_path: Path
) -> None:
    lines = [taken(1, 10_000, 60), taken(2, 3_000, 0)]
    flow = fund_flow(lines)
    split = "`2026-05-03 11:00:00,`4200001,`1900000109001,`分账,`分账,`支出,`30.00,`0.00,`system,`,`P1"
    header, *rows = lines_of(flow)
    flow = summed("\r\n".join([header, split, *rows]).encode())
    settle(mdash, tmp_path, lines, flow)
    assert account(mdash) == {"matched": 4}
    [row] = mdash("metric", "waterfall", *PERIOD).json()["rows"]
    assert (row["split_fen"], row["net_fen"]) == (3_000, 13_000 - 60 - 3_000)
    [transit] = mdash("metric", "money_in_transit", *PERIOD).json()["rows"]
    assert (transit["due_fen"], transit["in_transit_fen"]) == (9_940, 0)


def test_a_fee_of_a_part_of_a_fen_is_charged_in_whole_fen(mdash: Mdash, tmp_path: Path) -> None:
    lines = [taken(1, 100, 1), taken(2, 50, 0)]
    trade = trade_bill(lines).decode("utf-8-sig").split("\r\n")
    trade[1] = trade[1].replace("`0.01000", "`0.00600")
    trade[2] = trade[2].replace("`0.00000", "`0.00300")
    trade[-2] = trade[-2].replace("`0.01000", "`0.00900")
    settle(mdash, tmp_path, lines, fund_flow(lines), "\r\n".join(trade).encode())
    assert account(mdash) == {"matched": 3}


def alipay_bill(day: date, lines: list[Line], seller: str) -> bytes:
    return files.trade_bill(day, day, lines).replace(files.SELLER_ID.encode(), seller.encode())


def test_a_merchant_number_whose_bill_is_missing_is_waited_for(
    mdash: Mdash, home: Path, tmp_path: Path, channel_key: bytes
) -> None:
    day, before = date(2026, 5, 3), date(2026, 5, 2)
    lines = [taken(number) for number in (1, 2, 3)]
    told = []
    for line in lines:
        line.order.received_at.append(line.at + timedelta(seconds=2))
        told += files.notifications(line.order)
    log = "\n".join(files.signed_lines(channel_key, told)) + "\n"
    load(mdash, tmp_path / "messages.jsonl", log.encode())
    first, second = files.SELLER_ID, "2088000000000022"
    for seller in (first, second):
        load(mdash, tmp_path / f"{seller}-0.csv", alipay_bill(before, [], seller))
    load(mdash, tmp_path / "first.csv", alipay_bill(day, lines[:1], first))
    assert sorted(row["class"] for row in items(mdash)) == ["bill_missing", "bill_missing", "matched"]
    services = Services(load_settings(home), language="en")
    [missing] = reconciling.missing_bills(services, Question(day, day))
    assert (missing["bill"], missing["items"]) == ("trade_bill", 2)
    assert reconciling.open_items(services, Question(day, day)) == []
    [row] = mdash("metric", "reconciliation_identity", *PERIOD).json()["rows"]
    assert (row["ours_fen"], row["short_fen"], row["bill_fen"], row["gap_fen"]) == (1_000, 0, 1_000, 0)
    load(mdash, tmp_path / "second.csv", alipay_bill(day, lines[1:2], second))
    assert sorted(row["class"] for row in items(mdash)) == ["matched", "matched", "short"]


def test_a_merchant_number_given_up_is_waited_for_a_month(
    mdash: Mdash, tmp_path: Path, channel_key: bytes
) -> None:
    [line] = [taken(1)]
    line.order.received_at.append(line.at + timedelta(seconds=2))
    log = "\n".join(files.signed_lines(channel_key, files.notifications(line.order))) + "\n"
    load(mdash, tmp_path / "messages.jsonl", log.encode())
    load(mdash, tmp_path / "now.csv", alipay_bill(line.at.date(), [], files.SELLER_ID))
    for ago, name in ((32, "short"), (31, "bill_missing")):
        old = line.at.date() - timedelta(days=ago)
        load(mdash, tmp_path / f"{ago}.csv", alipay_bill(old, [], "2088000000000022"))
        assert [row["class"] for row in items(mdash)] == [name]


def test_an_explained_item_that_the_next_bill_closes_leaves_the_queue(
    mdash: Mdash, home: Path, tmp_path: Path, channel_key: bytes
) -> None:
    line = paid(1, datetime(2026, 5, 3, 23, 59, 50))
    line.order.received_at.append(line.at + timedelta(seconds=2))
    billed = Line(replace(line.order, paid_at=line.at + timedelta(seconds=15)), None)
    log = "\n".join(files.signed_lines(channel_key, files.notifications(line.order))) + "\n"
    load(mdash, tmp_path / "messages.jsonl", log.encode())
    days = [date(2026, 5, 3), date(2026, 5, 4)]
    load(mdash, tmp_path / "empty.csv", alipay_bill(days[0], [], files.SELLER_ID))
    services = Services(load_settings(home), language="en")
    period = Question(days[0], days[1])
    [short] = reconciling.open_items(services, period)
    assert (short["class"], short["amount_fen"]) == ("short", 1_000)
    reconciling.act(services, "explain", short, "It was midnight.")
    load(mdash, tmp_path / "next.csv", alipay_bill(days[1], [billed], files.SELLER_ID))
    after = Services(load_settings(home), language="en")
    assert reconciling.open_items(after, period) == []
    assert [row["class"] for row in items(mdash)] == ["cross_day"]
    with pytest.raises(RefusedInput):
        reconciling.act_as_shown(after, "reopen", short)
    assert mdash("undo", "3").code == 0
    [again] = reconciling.open_items(Services(load_settings(home), language="en"), period)
    assert (again["item"], again["state"], again["note"]) == (
        short["item"], "explained", "It was midnight."
    )


def test_a_day_without_trades_adds_up(mdash: Mdash, tmp_path: Path) -> None:
    day = date(2026, 5, 3)
    load(mdash, tmp_path / "trade.csv", alipay_bill(day, [], files.SELLER_ID))
    load(mdash, tmp_path / "account.csv", files.account_bill(day, day, []))
    for name in ("reconciliation", "account_reconciliation", "reconciliation_identity",
                 "money_in_transit", "fee_rate", "balance_roll", "channel_comparison"):
        ran = mdash("metric", name, *PERIOD)
        assert ran.code == 0, (name, ran.err)
        assert ran.json()["rows"] == []
    for name in ("waterfall", "settlement"):
        [row] = mdash("metric", name, *PERIOD).json()["rows"]
        assert set(row.values()) == {0}


def test_a_day_of_nothing_but_refunds_is_negative_on_both_sides(
    mdash: Mdash, tmp_path: Path
) -> None:
    lines = [line for line in refunded() if line.refund]
    settle(mdash, tmp_path, lines, fund_flow(lines))
    assert account(mdash) == {"matched": 2}
    [row] = mdash("metric", "waterfall", *PERIOD).json()["rows"]
    assert row["net_fen"] == -4_000 + 24
    [transit] = mdash("metric", "money_in_transit", *PERIOD).json()["rows"]
    assert (transit["due_fen"], transit["in_transit_fen"]) == (-3_976, 0)

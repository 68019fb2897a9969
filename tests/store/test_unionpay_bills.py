"""UnionPay's files: widths in bytes, the missing year, the day that ends at 23:00, refusals."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loaders.channels import CHANNELS, identify
from loaders.channels.protocol import Sample
from loaders.channels.unionpay import layouts
from sample_data.files import Line
from sample_data.merchant import Order, Refund
from sample_data.unionpay_files import MER_ID, Correction, clearing_day, name_of, packed, zm, zme
from tests.conftest import Mdash
from tests.store.test_bill_readers import both
from tests.store.test_bills import load

pytestmark = pytest.mark.slow

DAY = date(2026, 5, 3)
UNIONPAY = CHANNELS["unionpay"]


def paid(number: int, at: datetime, amount_fen: int = 1_000, fee_fen: int = 6) -> Line:
    return Line(Order(
        number, at, "", "", None, None, 1, [("A1", "手机壳", 1, amount_fen)], amount_fen, None,
        "paid", paid_at=at, fee_fen=fee_fen,
    ), None)


def back(line: Line, at: datetime, amount_fen: int, number: str = "RF1") -> Line:
    return Line(line.order, Refund(number, amount_fen, at, at))


def day_lines() -> list[Line]:
    first = paid(0, datetime(2026, 5, 2, 23, 50))
    return [
        first, paid(1, datetime(2026, 5, 3, 0, 30), fee_fen=0), paid(2, datetime(2026, 5, 3, 22, 59)),
        back(first, datetime(2026, 5, 3, 12), 400),
    ]


def rows(mdash: Mdash, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mdash("sql", query, "--format", "json").json()["rows"]
    return found


def test_a_days_zip_becomes_trades_and_settlement(mdash: Mdash, tmp_path: Path) -> None:
    correction = Correction(datetime(2026, 5, 3, 10), -700, datetime(2026, 4, 28, 9))
    report = load(mdash, tmp_path / "day.zip", packed(DAY, day_lines(), [correction]))
    assert (report["status"], report["channel"], report["rows"]) == ("loaded", "unionpay", 5)
    assert report["covers"] == ["2026-05-03", "2026-05-03"]
    [row] = mdash("metric", "settlement", "--from", "2026-05-01", "--to", "2026-05-31",
                  "--format", "json").json()["rows"]
    assert row == {"gross_fen": 3000, "refunded_fen": 400, "fee_fen": 10, "net_fen": 2590}
    found = rows(mdash, "select order_no, outcome, refunded_fen, fee_fen from trades order by order_no")
    assert [(row["order_no"], row["refunded_fen"]) for row in found] == [
        ("M2026050200000000", 400), ("M2026050300000001", 0), ("M2026050300000002", 0),
    ]
    assert {row["outcome"] for row in found} == {"paid"}
    [line] = rows(mdash, "select account, kind, expense_fen from account_lines")
    assert line == {"account": f"{MER_ID}-ZME", "kind": "other", "expense_fen": -700}
    assert rows(mdash, "select count(*) as n from settlement_lines where note like '%621626%'") == [
        {"n": 0}
    ]


def test_a_day_goes_from_23_to_23(mdash: Mdash, tmp_path: Path) -> None:
    lines = [paid(0, datetime(2026, 5, 2, 23, 0)), paid(1, datetime(2026, 5, 3, 22, 59, 59)),
             paid(2, datetime(2026, 5, 3, 23, 0))]
    assert [clearing_day(line.at).day for line in lines] == [3, 3, 4]
    for day in (DAY, DAY + timedelta(days=1)):
        content = zm([line for line in lines if clearing_day(line.at) == day])
        assert load(mdash, tmp_path / name_of(day), content)["status"] == "loaded"
    found = rows(mdash, "select billed_on, count(*) as n from settlement_lines group by 1 order by 1")
    assert found == [{"billed_on": "2026-05-03", "n": 2}, {"billed_on": "2026-05-04", "n": 1}]
    [watermark] = rows(mdash, "select max(watermark) as w from loads")
    assert watermark["w"].startswith("2026-05-04T23:00:00")


def test_the_year_is_the_one_in_which_it_lies_before_the_day(mdash: Mdash, tmp_path: Path) -> None:
    new_year = date(2026, 1, 1)
    old = paid(0, datetime(2025, 12, 31, 23, 30))
    older = paid(1, datetime(2025, 3, 1, 9))
    lines = [old, back(older, datetime(2026, 1, 1, 8), 400)]
    assert load(mdash, tmp_path / name_of(new_year), zm(lines))["rows"] == 2
    found = rows(mdash, "select finished_at, created_at from settlement_lines order by line")
    assert [row["finished_at"][:10] for row in found] == ["2025-12-31", "2026-01-01"]
    assert [row["created_at"] and row["created_at"][:10] for row in found] == [None, "2025-03-01"]


def test_a_file_is_known_by_its_content_and_an_empty_one_by_its_name() -> None:
    for content, kind in ((zm(day_lines()), "trade_bill"), (zme([
        Correction(datetime(2026, 5, 3, 10), 700, datetime(2026, 4, 28, 9))
    ]), "account_bill")):
        found = identify(Sample("x.txt", content, content, len(content)))
        assert found is not None
        assert (found[0].name, found[1]) == ("unionpay", kind)
    for kind, name in (("trade_bill", "ZM"), ("account_bill", "ZME")):
        found = identify(Sample(name_of(DAY, name), b"", b"", 0))
        assert found is not None
        assert (found[0].name, found[1]) == ("unionpay", kind)
    assert identify(Sample("x.txt", b"", b"", 0)) is None
    assert sum(width for _, width in layouts.ZM) + len(layouts.ZM) - 1 == len(zm(day_lines()[:1])) - 2


def test_amounts_without_their_letter_are_signed_by_the_kind_of_trade(
    mdash: Mdash, tmp_path: Path
) -> None:
    content = zm(day_lines()).replace(b" C0000000", b" 00000000").replace(b" D0000000", b" 00000000")
    assert load(mdash, tmp_path / f"{name_of(DAY)}.txt", content)["rows"] == 4
    found = rows(mdash, "select service_fen from settlement_lines order by line")
    assert [row["service_fen"] for row in found] == [-6, 0, -6, 2]


def test_lines_are_as_long_as_the_specification_says() -> None:
    assert {len(line) for line in zm(day_lines()).split(b"\r\n")} == {607, 0}
    [line, _] = zme([Correction(datetime(2026, 5, 3, 10), 7, datetime(2026, 5, 1))]).split(b"\r\n")
    assert len(line) == 339


def test_a_day_without_trades_is_covered(mdash: Mdash, tmp_path: Path) -> None:
    report = load(mdash, tmp_path / "day.zip", packed(DAY, []))
    assert (report["status"], report["rows"], report["covers"]) == (
        "loaded", 0, ["2026-05-03", "2026-05-03"]
    )


@pytest.mark.parametrize("note", ["一号店，二楼", "a,b", "a`b", "收银台" * 10, "卡 6216260000000000000"])
def test_widths_are_bytes_whatever_a_field_holds(tmp_path: Path, note: str) -> None:
    (tmp_path / "x").mkdir()
    quick, patient = both_named(tmp_path / "x", zm(day_lines(), note=note))
    assert quick is None or quick == patient
    assert len(patient) == 4
    assert {row[0] for row in patient} == {1, 2, 3, 4}


def both_named(folder: Path, content: bytes) -> tuple[list[Any] | None, list[Any]]:
    return both(folder, content, "trade_bill", UNIONPAY, name=name_of(DAY))


@pytest.mark.parametrize("shape", [
    lambda b: b.replace(b"\r\n", b"\n"),
    lambda b: b.removesuffix(b"\r\n"),
    lambda b: b"".join(line[:-60] + b"\r\n" for line in b.split(b"\r\n") if line),
    lambda b: b"".join(line + b" 1\r\n" for line in b.split(b"\r\n") if line),
    lambda b: b"\r\n".join(line.rstrip() for line in b.split(b"\r\n")),
])
def test_line_ends_and_the_length_of_the_reserve_do_not_matter(
    mdash: Mdash, tmp_path: Path, shape: Any
) -> None:
    report = load(mdash, tmp_path / name_of(DAY), shape(zm(day_lines())))
    assert (report["status"], report["rows"], report["rejected"]) == ("loaded", 4, 0)


@pytest.mark.parametrize("is_first", [False, True])
def test_a_line_that_is_not_laid_out_so_is_rejected_alone(
    is_first: bool, mdash: Mdash, tmp_path: Path
) -> None:
    lines = zm(day_lines()).split(b"\r\n")
    lines[1] = lines[1][:40] + lines[1][42:]
    lines[2] = lines[2].replace(b"0503225900", b"0230225900")
    if is_first:
        lines = [lines[1], lines[0], *lines[2:]]
    report = load(mdash, tmp_path / name_of(DAY), b"\r\n".join(lines))
    assert (report["status"], report["rows"], report["rejected"]) == ("loaded", 2, 2)
    assert report["exit"] == 3


@pytest.mark.parametrize(("name", "content", "why"), [
    ("bill.txt", zm(day_lines()), "no year"),
    (name_of(DAY), zm(day_lines())[:-400], "cut off"),
    ("INN26133288ZM_777290058110048", zm(day_lines()), "no year"),
])
def test_files_that_cannot_be_trusted_are_refused(
    mdash: Mdash, tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    report = load(mdash, tmp_path / name, content)
    assert (report["status"], report["exit"]) == ("refused", 4)
    assert why in report["message"]


def test_a_name_cut_within_a_character_does_not_cost_the_payment(mdash: Mdash, tmp_path: Path) -> None:
    cut = zm([paid(0, datetime(2026, 5, 3, 10))], note="a" + "商" * 15 + "  ")
    name = cut.index("商".encode("gbk"))
    content = cut[: name + 30] + "商".encode("gbk")[:1] + cut[name + 31 :]
    report = load(mdash, tmp_path / name_of(DAY), content)
    assert (report["rows"], report["rejected"]) == (1, 0)
    [row] = rows(mdash, "select order_fen, note from settlement_lines")
    assert row == {"order_fen": 1000, "note": "a" + "商" * 15}

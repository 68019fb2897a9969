"""Bills: variants, damage, wrong files; what is refused, and that the rest is kept."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_data.files import (
    ACCOUNT,
    Line,
    account_bill,
    bill_zip,
    trade_bill,
    trade_summary,
)
from sample_data.merchant import Order, Refund
from tests.conftest import Mdash, Ran, run_mdash

DAY = date(2026, 5, 3)


def lines(count: int = 6) -> list[Line]:
    found = []
    for number in range(count):
        at = datetime(2026, 5, 3, 0, 30) + timedelta(hours=number)
        order = Order(
            number, at, "QUICK_WAP_WAY", "h5", None, None, 1, [("A1", "手机壳", 1, 1000)], 1000,
            None, "paid", paid_at=at + timedelta(seconds=9), fee_fen=6,
        )
        found.append(Line(order, None))
    refund = Refund("RF1", 400, at, datetime(2026, 5, 3, 23, 50))
    return [*found, Line(found[0].order, refund)]


def bill(**_: Any) -> bytes:
    return trade_bill(DAY, DAY, lines())


def load(mdash: Mdash, path: Path, content: bytes) -> dict[str, Any]:
    path.write_bytes(content)
    ran = mdash("load", str(path), "--json")
    found: dict[str, Any] = ran.json()["files"][0]
    return found | {"exit": ran.code}


def settled(mdash: Mdash) -> dict[str, Any]:
    rows = mdash("metric", "settlement", "--from", "2026-05-01", "--to", "2026-05-31",
                 "--format", "json").json()["rows"]
    found: dict[str, Any] = rows[0] if rows else {}
    return found


def test_a_bill_as_the_channel_makes_it(mdash: Mdash, tmp_path: Path) -> None:
    path = tmp_path / f"{ACCOUNT}_20260503.csv.zip"
    bill_zip(path, [
        (f"{ACCOUNT}_20260503_业务明细(汇总).csv", trade_summary(DAY, DAY, lines())),
        (f"{ACCOUNT}_20260503_业务明细.csv", bill()),
    ])
    report = mdash("load", str(path), "--json").json()["files"][0]
    assert report["status"] == "loaded"
    assert (report["channel"], report["kind"], report["rows"]) == ("alipay", "trade_bill", 7)
    assert report["covers"] == ["2026-05-03", "2026-05-03"]
    assert settled(mdash) == {
        "gross_fen": 6000, "refunded_fen": 400, "fee_fen": 34, "net_fen": 5566,
    }
    text = mdash("sql", "select line, order_no, billed_on from settlement_lines order by line",
                 "--format", "csv").out.splitlines()
    assert text[1] == "6,M2026050300000000,2026-05-03"


def test_the_same_content_in_any_wrapping_is_a_duplicate(mdash: Mdash, tmp_path: Path) -> None:
    assert load(mdash, tmp_path / "a.csv", bill())["status"] == "loaded"
    assert load(mdash, tmp_path / "b.csv", bill())["status"] == "duplicate"
    assert load(mdash, tmp_path / "c.csv.gz", gzip.compress(bill()))["status"] == "duplicate"
    bill_zip(tmp_path / "d.zip", [("业务明细.csv", bill())])
    ran = mdash("load", str(tmp_path / "d.zip"), "--json")
    assert (ran.code, ran.json()["files"][0]["status"]) == (0, "duplicate")
    assert settled(mdash)["gross_fen"] == 6000


def newer(content: bytes, at: str = "2026年05月04日 09:00:00") -> bytes:
    return content.replace("2026年05月04日 05:46:49".encode("gbk"), at.encode("gbk"))


def test_a_newer_export_replaces_and_an_older_one_is_superseded(
    mdash: Mdash, tmp_path: Path
) -> None:
    more = newer(trade_bill(DAY, DAY, lines(8)))
    assert load(mdash, tmp_path / "a.csv", bill())["status"] == "loaded"
    assert load(mdash, tmp_path / "b.csv", more)["status"] == "replaced"
    assert settled(mdash)["gross_fen"] == 8000
    older = trade_bill(DAY, DAY, lines(5))
    report = load(mdash, tmp_path / "c.csv", older)
    assert (report["status"], report["rows"]) == ("superseded", 0)
    assert settled(mdash)["gross_fen"] == 8000
    load_id = mdash("sql", "select max(load_id) from loads where status = 'replaced'",
                    "--format", "csv").out.split()[1]
    assert mdash("undo", load_id).code == 0
    assert settled(mdash)["gross_fen"] in (5000, 6000)


def test_a_month_and_its_days_do_not_double(mdash: Mdash, tmp_path: Path) -> None:
    month = trade_bill(date(2026, 5, 1), date(2026, 5, 31), lines())
    assert load(mdash, tmp_path / "month.csv", month)["covers"] == ["2026-05-01", "2026-05-31"]
    load(mdash, tmp_path / "day.csv", bill())
    assert settled(mdash)["gross_fen"] == 6000
    rows = mdash("metric", "sales", "--from", "2026-05-01", "--to", "2026-05-31",
                 "--format", "json").json()["rows"]
    assert (rows[0]["paid"], rows[0]["refunds"]) == (6, 1)


def test_a_day_without_trades_is_covered(mdash: Mdash, tmp_path: Path) -> None:
    report = load(mdash, tmp_path / "a.csv", trade_bill(DAY, DAY, []))
    assert (report["status"], report["rows"], report["exit"]) == ("loaded", 0, 0)
    assert report["covers"] == ["2026-05-03", "2026-05-03"]
    assert settled(mdash)["gross_fen"] == 0


def test_fees_come_from_the_account_bill_where_it_is_loaded(mdash: Mdash, tmp_path: Path) -> None:
    alone = load(mdash, tmp_path / "account.csv", account_bill(DAY, DAY, lines()))
    assert (alone["kind"], alone["rows"]) == ("account_bill", 14)
    assert settled(mdash) == {
        "gross_fen": 6000, "refunded_fen": 400, "fee_fen": 34, "net_fen": 5566,
    }
    load(mdash, tmp_path / "trade.csv", bill())
    assert settled(mdash)["fee_fen"] == 34


def test_columns_go_by_header(mdash: Mdash, tmp_path: Path) -> None:
    text = bill().decode("gb18030").split("\r\n")
    swapped = []
    for line in text:
        cells = line.split(",")
        if len(cells) == 25:
            cells = [cells[1], cells[0], *cells[2:-2], "", *cells[-1:]]
        swapped.append(",".join(cells))
    at = next(i for i, line in enumerate(swapped) if line.startswith("商户订单号"))
    header = swapped[at].split(",")
    header[-2] = "花呗分期数"
    swapped[at] = ",".join(header)
    report = load(mdash, tmp_path / "a.csv", "\r\n".join(swapped).encode("utf-8"))
    assert (report["status"], report["rows"]) == ("loaded", 7)
    assert mdash("trade", "M2026050300000001", "--json").json()["amount_fen"] == 1000


def test_a_comma_in_the_subject_is_put_back(mdash: Mdash, tmp_path: Path) -> None:
    content = bill().replace("手机壳".encode("gbk"), "手机壳,透明\"款".encode("gbk"), 1)
    report = load(mdash, tmp_path / "a.csv", content)
    assert (report["rows"], report["rejected"]) == (7, 0)
    found = mdash("sql", "select subject from settlement_lines order by line limit 1",
                  "--format", "json").json()["rows"]
    assert found[0]["subject"] == '手机壳,透明"款'


def test_one_bad_byte_rejects_its_row_and_keeps_the_rest(mdash: Mdash, tmp_path: Path) -> None:
    content = bill().replace("手机壳".encode("gbk"), b"\xff\xff", 1)
    report = load(mdash, tmp_path / "a.csv", content)
    assert (report["rows"], report["rejected"], report["exit"]) == (6, 1, 3)
    assert "line 6" in report["message"]


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def excel(content: bytes) -> bytes:
    text = content.decode("gb18030").replace("05:46:49]", "05:46:49],,,,,,").replace("-05-", "/5/")
    return text.encode("utf-8-sig")


def zip_of(*members: tuple[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return sink.getvalue()


def encrypted(content: bytes) -> bytes:
    made = bytearray(zip_of(("a.csv", content)))
    made[6] |= 1
    made[made.index(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


def at_row_end(content: bytes) -> bytes:
    rows = content.split(b"\r\n")
    return b"\r\n".join(rows[:8]) + b"\r\n"


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut in a row": (lambda b: cut(b, 0.5), "cut off"),
    "cut at a row's end": (at_row_end, "cut off"),
    "wrong total": (lambda b: b.replace("共60.00元".encode("gbk"), "共61.00元".encode("gbk")), "total"),
    "wrong count": (lambda b: b.replace("：6笔".encode("gbk"), "：7笔".encode("gbk")), "total"),
    "personal web export": (
        lambda _: "支付宝交易记录明细查询\r\n账号:[a@example.com]\r\n".encode("gbk"), "personal",
    ),
    "personal app export": (
        lambda _: "-----支付宝（中国）网络技术有限公司  电子客户回单-----\r\n".encode("gbk"), "personal",
    ),
    "saved by Excel": (excel, "Excel"),
    "xlsx": (lambda _: zip_of(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"")), "Excel"),
    "API error": (
        lambda _: b'{"error_response":{"code":"40004","sub_code":"isp.bill_not_exist"}}', "error answer",
    ),
    "HTML page": (lambda _: b"<html><body>502 Bad Gateway</body></html>", "web page"),
    "empty": (lambda _: b"", "empty"),
    "random bytes": (lambda _: bytes(range(256)) * 40, "no bill"),
    "outside path": (lambda b: zip_of(("../../evil.csv", b)), "outside"),
    "zip bomb": (lambda _: zip_of(("a.csv", bytes(64 * 2**20))), "bomb"),
    "nested zip": (lambda b: zip_of(("inner.zip", zip_of(("a.csv", b)))), "another archive"),
    "encrypted zip": (encrypted, "encrypted"),
    "cut zip": (lambda b: cut(zip_of(("a.csv", b)), 0.6), "damaged"),
    "part of a day": (
        lambda b: b.replace("03日 00:00:00".encode("gbk"), "03日 10:00:00".encode("gbk")),
        "part of a day",
    ),
}


@pytest.fixture(scope="module")
def mixed(
    tmp_path_factory: pytest.TempPathFactory, fresh_home: Path
) -> tuple[Path, Ran, dict[str, dict[str, Any]]]:
    """Every wrong file and a good one in one folder, loaded at once."""
    base = tmp_path_factory.mktemp("mixed")
    home = Path(shutil.copytree(fresh_home, base / "home"))
    (base / "in").mkdir()
    for number, (spoil, _) in enumerate(WRONG.values()):
        (base / "in" / f"{number:02}.csv").write_bytes(spoil(bill()))
    (base / "in" / "zz-good.csv").write_bytes(bill())
    ran = run_mdash(home, "load", str(base / "in"), "--json")
    return base, ran, {Path(item["path"]).stem: item for item in ran.json()["files"]}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_and_says_what_to_do(name: str, mixed: Any) -> None:
    report = mixed[2][f"{list(WRONG).index(name):02}"]
    assert (report["status"], report["rows"]) == ("refused", 0)
    assert WRONG[name][1] in report["message"]


def test_the_good_file_beside_wrong_ones_is_loaded(mixed: Any) -> None:
    base, ran, reports = mixed
    assert ran.code == 4
    assert (reports["zz-good"]["status"], reports["zz-good"]["rows"]) == ("loaded", 7)
    assert "Traceback" not in ran.err
    assert list((base / "home" / "tmp").iterdir()) == []
    assert not list(base.rglob("evil.csv"))


def test_a_summary_that_contradicts_the_detail_refuses_the_archive(
    mdash: Mdash, tmp_path: Path
) -> None:
    path = tmp_path / "a.zip"
    bill_zip(path, [("汇总.csv", trade_summary(DAY, DAY, lines(9))), ("明细.csv", bill())])
    ran = mdash("load", str(path), "--json")
    assert ran.code == 4
    assert "contradicts" in ran.json()["files"][0]["message"]


def test_parts_of_a_bill_are_one(mdash: Mdash, tmp_path: Path) -> None:
    every = lines()
    path = tmp_path / "a.zip"
    bill_zip(path, [
        ("x_业务明细_2.csv", trade_bill(DAY, DAY, every[4:])),
        ("x_业务明细_1.csv", trade_bill(DAY, DAY, every[:4])),
    ])
    report = mdash("load", str(path), "--json").json()["files"][0]
    assert (report["rows"], report["status"]) == (7, "loaded")
    assert settled(mdash)["gross_fen"] == 6000


def test_rows_whose_surplus_and_lack_add_up_are_told_apart(mdash: Mdash, tmp_path: Path) -> None:
    text = bill().decode("gb18030").split("\r\n")
    text[5] = text[5].replace("手机壳", "手机壳,透明")
    cells = text[6].split(",")
    text[6] = ",".join(cells[:-1])
    report = load(mdash, tmp_path / "a.csv", "\r\n".join(text).encode("gb18030"))
    assert (report["rows"], report["rejected"], report["exit"]) == (6, 1, 3)
    assert "line 7" in report["message"]


def test_a_bill_with_bare_carriage_returns_says_that_it_was_saved_again(
    mdash: Mdash, tmp_path: Path
) -> None:
    report = load(mdash, tmp_path / "mac.csv", bill().replace(b"\r\n", b"\r"))
    assert report["exit"] == 4
    assert "Macintosh" in str(report)


def test_columns_of_one_name_are_told_apart_in_json(mdash: Mdash, tmp_path: Path) -> None:
    load(mdash, tmp_path / "a.csv", bill())
    found = mdash("sql", "select 1 as n, 2 as n, 3 as n_1", "--format", "json").json()
    assert found == {"columns": ["n", "n_1", "n_1_1"], "rows": [{"n": 1, "n_1": 2, "n_1_1": 3}]}

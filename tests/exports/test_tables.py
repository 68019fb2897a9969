"""Exported tables hold what `mdash metric` says, say where they come from, and start no formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dashboard.exports import workbooks
from dashboard.exports.files import Download, file_name, formats, save_table, table_files, write_table
from dashboard.exports.provenance import Provenance, of_answers, of_rows
from dashboard.exports.records import Records, records_of_rows, records_of_stream
from dashboard.metrics.question import Question
from dashboard.services import Services
from dashboard.wording import Say, speaker
from loaders.errors import ConfigurationError
from loaders.settings import load_settings
from tests.conftest import Sample

LINK = "http://127.0.0.1:8501/conversion?days=2026-10-01&days=2026-10-31"
ASKED = [
    ("sales", ("day",), {}),
    ("conversion", ("day", "product"), {"client": ["ios"]}),
    ("failures", (), {}),
    ("latency", (), {}),
    ("notifications", (), {}),
    ("settlement", ("month",), {}),
    ("sales", ("hour",), {}),
]


@dataclass
class Reader:
    """A reader of one language in one zone."""

    language: str = "en"
    timezone: str = "Asia/Shanghai"
    say: Say = field(init=False)

    def __post_init__(self) -> None:
        self.say = speaker(self.language)


def told(audience: Reader | None = None, **more: Any) -> Provenance:
    return of_rows(audience or Reader(), "trades", "Trades", link=LINK, **more)


def written(suffix: str, records: Records, audience: Reader | None = None) -> bytes:
    reader = audience or Reader()
    sink = io.BytesIO()
    write_table(suffix, records, told(reader), reader, sink)
    return sink.getvalue()


def csv_of(content: bytes) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Remarks (the last of a name wins) and rows."""
    assert content.startswith(b"\xef\xbb\xbf")
    lines = content.decode("utf-8-sig").splitlines()
    remarks = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
    rows = list(csv.DictReader(lines[len(remarks):]))
    return {name: value.strip() for name, _, value in remarks}, rows


def sheets_of(content: bytes) -> list[list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]


def origin_of(parquet: bytes) -> Any:
    return json.loads(pq.read_metadata(io.BytesIO(parquet)).metadata[b"mdash"])


@pytest.fixture(scope="module")
def services(sample: Sample) -> Services:
    return Services(load_settings(sample.home), language="zh")


def downloads(services: Services, name: str, by: Sequence[str], where: dict[str, list[str]]) -> Any:
    question = Question(date(2026, 9, 1), date(2026, 10, 31), tuple(by), where)
    answer = services.metric(name, question)
    origin = of_answers(services, [answer], link=LINK)
    return answer, {item.format.suffix: item for item in table_files(services, answer, origin)}


def asked_of_mdash(sample: Sample, name: str, by: Sequence[str], where: dict[str, Any]) -> Any:
    filters = [part for key, items in where.items() for item in items
               for part in ("--where", f"{key}={item}")]
    split = ("--by", ",".join(by)) if by else ()
    return sample.metric(name, "--from", "2026-09-01", "--to", "2026-10-31", *split, *filters)


def same(cell: str, value: Any) -> bool:
    if value is None:
        return cell == ""
    if isinstance(value, bool):
        return cell == str(value).lower()
    if isinstance(value, int | float):
        return float(cell) == value
    return (json.loads(cell) if isinstance(value, dict) else cell) == value


@dataclass(frozen=True)
class Case:
    """A question: the files made of its answer by suffix, and the document `mdash` prints."""

    where: dict[str, Any]
    files: dict[str, Download]
    document: dict[str, Any]


@pytest.fixture(scope="module", params=ASKED, ids=lambda asked: f"{asked[0]}-{'-'.join(asked[1])}")
def case(request: pytest.FixtureRequest, sample: Sample, services: Services) -> Case:
    name, by, where = request.param
    document = asked_of_mdash(sample, name, by, where)
    assert document["rows"]
    return Case(where, downloads(services, name, by, where)[1], document)


def test_csv_says_what_mdash_says(services: Services, case: Case) -> None:
    document = case.document
    remarks, rows = csv_of(case.files["csv"].make())
    assert len(rows) == len(document["rows"]) == int(remarks["rows"])
    for row, expected in zip(rows, document["rows"], strict=True):
        assert list(row) == list(expected)
        assert [name for name in row if not same(row[name], expected[name])] == []
    assert remarks["as_of"] == document["as_of"]
    assert remarks["metric"] == f"{document['metric']} v{document['version']}"
    assert remarks["link"] == LINK
    assert remarks["from"] == "2026-09-01"
    assert remarks["definition"].startswith(services.say(document["definition"])[:8])


def test_parquet_is_typed_and_says_what_mdash_says(case: Case) -> None:
    document = case.document
    content = case.files["parquet"].make()
    table = pq.read_table(io.BytesIO(content))
    assert table.schema.names == list(document["rows"][0])
    origin = origin_of(content)
    assert origin["rows"] == table.num_rows == len(document["rows"])
    assert origin["metrics"][0]["metric"] == document["metric"]
    assert origin["where"] == case.where
    for item in table.schema:
        if item.name.endswith("_fen"):
            assert pa.types.is_integer(item.type) or pa.types.is_decimal(item.type)
            found = table[item.name].to_pylist()
            told = [row[item.name] for row in document["rows"]]
            assert [None if fen is None else float(fen) for fen in found] == told
    if "hour" in document["by"]:
        assert table.schema.field("hour").type == pa.timestamp("us")


def test_xlsx_has_three_sheets_in_the_readers_words(sample: Sample, services: Services) -> None:
    _, files = downloads(services, "sales", ("day",), {"product": ["QUICK_WAP_WAY"]})
    content = files["xlsx"].make()
    document = asked_of_mdash(sample, "sales", ("day",), {"product": ["QUICK_WAP_WAY"]})
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["数据", "筛选", "定义"]
    data, filters, meanings = sheets_of(content)
    at = list(document["rows"][0]).index("paid_fen")
    assert "元" in str(data[0][at])
    assert [row[at] for row in data[1:]] == [row["paid_fen"] / 100 for row in document["rows"]]
    assert data[1][0] == datetime.fromisoformat(document["rows"][0]["day"])
    first = book.worksheets[0]
    assert first.freeze_panes == "A2"
    assert first.cell(2, at + 1).number_format == "#,##0.00###"
    listed = {str(row[0]): row[1] for row in filters}
    assert listed["产品"] == "QUICK_WAP_WAY"
    assert listed["时间段"] == "2026-09-01 – 2026-10-31"
    assert listed["数据截至"] == document["as_of"]
    assert listed["行数"] == str(len(document["rows"]))
    assert listed["链接"] == LINK
    assert any(f"sales v{document['version']}" in row for row in meanings)
    assert ("paid_fen" in [row[1] for row in meanings])


def test_xlsx_shows_rates_as_percent_and_spans_as_seconds(services: Services) -> None:
    answer, files = downloads(services, "conversion", (), {})
    book = openpyxl.load_workbook(io.BytesIO(files["xlsx"].make()))
    at = [*answer.question.by, *answer.metric.fields].index("rate") + 1
    cell = book.worksheets[0].cell(2, at)
    assert cell.value == pytest.approx(answer.rows[0]["rate"])
    assert cell.number_format == "0.00%"
    rows = [{"p50_s": 1.25, "p95_s": "inf", "p99_s": None}]
    heading, line = sheets_of(written("xlsx", records_of_rows(rows, list(rows[0]))))[0]
    assert heading[0] == "p50 (seconds)"
    assert line == (1.25, "> 25 h", None)


RISKY = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"]


@pytest.mark.parametrize("text", RISKY)
def test_no_text_becomes_a_formula(text: str) -> None:
    rows = [{"order_no": text, "amount_fen": -5, "rate": -0.5}]
    records = records_of_rows(rows, list(rows[0]))
    found = next(csv.reader(io.StringIO(
        written("csv", records).decode("utf-8-sig").partition("order_no,amount_fen,rate\n")[2],
        newline="",
    )))
    assert found == [f"'{text}", "-5", "-0.5"]
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", records)))
    cells = [book.worksheets[0].cell(2, at) for at in (1, 2, 3)]
    assert (cells[0].data_type, cells[0].quotePrefix) == ("s", True)
    assert [cell.data_type for cell in cells[1:]] == ["n", "n"]
    assert [cell.value for cell in cells[1:]] == [-0.05, -0.5]


def test_a_filter_cannot_break_out_of_its_remark() -> None:
    question = Question(date(2026, 10, 1), date(2026, 10, 2), (), {"store": ['a,=1+1\n"x', "b;@y"]})
    sink = io.BytesIO()
    records = records_of_rows([{"orders": 1}], ["orders"])
    write_table("csv", records, told(question=question), Reader(), sink)
    lines = sink.getvalue().decode("utf-8-sig").splitlines()
    assert lines[-2:] == ["orders", "1"]
    assert all(line.startswith("# ") for line in lines[:-2])
    assert "# where: store=a,'=1+1 'x" in lines
    assert "# where: store=b;'@y" in lines


def test_long_ids_stay_whole() -> None:
    number = "2026103122001412345678901234"
    rows = [{"trade_no": number, "refund_no": 20261031220014123}]
    records = records_of_rows(rows, list(rows[0]))
    _, listed = csv_of(written("csv", records))
    assert listed[0] == {"trade_no": number, "refund_no": "20261031220014123"}
    assert sheets_of(written("xlsx", records))[0][1] == (number, "20261031220014123")
    assert pq.read_table(io.BytesIO(written("parquet", records))).to_pylist() == rows


def test_unknown_is_empty_and_not_zero() -> None:
    rows = [{"orders": 3, "paid": None, "paid_fen": None, "rate": None, "code": None},
            {"orders": None, "paid": 0, "paid_fen": 0, "rate": 0.0, "code": ""}]
    records = records_of_rows(rows, list(rows[0]))
    _, listed = csv_of(written("csv", records))
    assert listed[0] == {"orders": "3", "paid": "", "paid_fen": "", "rate": "", "code": ""}
    assert [float(listed[1][name]) for name in ("paid", "paid_fen", "rate")] == [0, 0, 0]
    data = sheets_of(written("xlsx", records))[0]
    assert data[1] == (3, None, None, None, None)
    assert data[2][1:4] == (0, 0, 0)
    table = pq.read_table(io.BytesIO(written("parquet", records)))
    assert table.to_pylist() == rows


def test_columns_of_nothing_but_unknown_keep_their_type() -> None:
    names = ["paid_fen", "fee_fen", "rate", "orders", "p50_s", "code"]
    table = pq.read_table(io.BytesIO(written("parquet", records_of_rows([], names))))
    kinds = [str(kind) for kind in table.schema.types]
    assert kinds == ["int64", "decimal128(38, 3)", "double", "int64", "double", "string"]
    assert csv_of(written("csv", records_of_rows([], names)))[0]["rows"] == "0"
    assert len(sheets_of(written("xlsx", records_of_rows([], names)))[0]) == 1


def test_fees_keep_their_fraction_of_a_fen() -> None:
    records = records_of_rows([{"fee_fen": 12.345}, {"fee_fen": 12}], ["fee_fen"])
    assert [row["fee_fen"] for row in csv_of(written("csv", records))[1]] == ["12.345", "12"]
    table = pq.read_table(io.BytesIO(written("parquet", records)))
    assert table["fee_fen"].to_pylist() == [Decimal("12.345"), Decimal("12.000")]
    assert sheets_of(written("xlsx", records))[0][1:] == [(0.12345,), (0.12,)]


def test_instants_carry_the_shops_zone() -> None:
    rows = [{"paid_at": datetime(2026, 10, 31, 16, 30, 0, 120000), "hour": datetime(2026, 11, 1, 9)},
            {"paid_at": datetime(2026, 10, 31, 16, 30), "hour": None}]
    records = records_of_rows(rows, list(rows[0]))
    _, listed = csv_of(written("csv", records))
    assert listed[0]["paid_at"] == "2026-11-01T00:30:00.120000+08:00"
    assert listed[1] == {"paid_at": "2026-11-01T00:30:00+08:00", "hour": ""}
    assert listed[0]["hour"] == "2026-11-01T09:00:00+08:00"
    heading, first, _ = sheets_of(written("xlsx", records))[0]
    assert heading[0] == "Paid at (Asia/Shanghai)"
    assert first == (datetime(2026, 11, 1, 0, 30, 0, 120000), datetime(2026, 11, 1, 9))


def stream(sizes: Sequence[int]) -> pa.RecordBatchReader:
    schema = pa.schema([("order_no", pa.string()), ("amount_fen", pa.int64()),
                        ("paid_at", pa.timestamp("us"))])
    at = datetime(2026, 10, 31, 16)
    batches = (
        pa.record_batch([[f"M{n}" for n in range(size)], list(range(size)), [at] * size], schema)
        for size in sizes
    )
    return pa.RecordBatchReader.from_batches(schema, batches)


def test_every_trade_of_a_period_leaves_as_a_stream(
    sample: Sample, services: Services, tmp_path: Path
) -> None:
    question = Question(date(2026, 10, 1), date(2026, 10, 31), (), {"client": ["ios"]})
    path, seen = tmp_path / "trades.csv", []
    with services.every_trade(question) as (count, batches):
        records = records_of_stream(batches, count)
        save_table(path, records, told(question=question), services, lambda *at: seen.append(at))
    remarks, rows = csv_of(path.read_bytes())
    days = ("--from", "2026-10-01", "--to", "2026-10-31", "--where", "client=ios")
    orders = sample.metric("sales", *days)["rows"][0]["orders"]
    assert int(remarks["rows"]) == len(rows) == count == seen[-1][0] == seen[-1][1]
    assert len({row["order_no"] for row in rows}) == count
    assert count >= orders > 20
    assert {row["created_at"][:7] for row in rows} == {"2026-10"}
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)


def test_mdash_export_writes_the_file_its_suffix_names(sample: Sample, tmp_path: Path) -> None:
    days = ("--from", "2026-10-01", "--to", "2026-10-31", "--by", "product", "--where", "client=ios")
    expected = sample.metric("sales", *days)["rows"]
    for suffix in ("csv", "xlsx", "parquet"):
        path = tmp_path / f"sales.{suffix}"
        ran = sample.mdash("export", "sales", *days, "--to-file", str(path))
        assert (ran.code, ran.out) == (0, "")
        assert f"{len(expected)} rows" in ran.err
    remarks, rows = csv_of((tmp_path / "sales.csv").read_bytes())
    assert [row["product"] for row in rows] == [row["product"] for row in expected]
    assert remarks["link"].startswith("mdash metric sales --from 2026-10-01")
    assert pq.read_table(tmp_path / "sales.parquet").to_pylist() == expected
    assert sample.mdash("export", "sales", *days, "--to-file", str(tmp_path / "a.txt")).code == 2


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_a_stream_is_written_whole_with_its_progress(suffix: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = tmp_path / f"out.{suffix}"
    records = records_of_stream(stream([700, 1, 299]))
    rows = save_table(path, records, told(), Reader(), lambda *at: seen.append(at))
    assert rows == 1000
    assert seen == [(700, None), (701, None), (1000, None)]
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    if suffix == "csv":
        remarks, listed = csv_of(path.read_bytes())
        assert (remarks["rows"], len(listed)) == ("1000", 1000)
        assert listed[-1]["paid_at"] == "2026-11-01T00:00:00+08:00"
    elif suffix == "xlsx":
        data, filters, _ = sheets_of(path.read_bytes())
        assert (len(data), dict(row for row in filters)["Rows"]) == (1001, "1000")
    else:
        table = pq.read_table(path)
        assert table.num_rows == origin_of(path.read_bytes())["rows"] == 1000
        assert table.schema.field("paid_at").type == pa.timestamp("us", "UTC")


def test_a_full_sheet_goes_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "LAST_ROW", 400)
    book = openpyxl.load_workbook(
        io.BytesIO(written("xlsx", records_of_stream(stream([1000]))))
    )
    assert book.sheetnames == ["Data", "Data 2", "Data 3", "Filters", "Definitions"]
    assert [sheet.max_row - 1 for sheet in book.worksheets[:3]] == [400, 400, 200]
    assert {sheet.cell(1, 1).value for sheet in book.worksheets[:3]} == {"Order"}


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    def torn() -> Any:
        yield from stream([10])
        raise OSError("the store went away")

    schema = stream([]).schema
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(OSError, match="went away"):
        save_table(path, Records(schema, torn(), None), told(), Reader())
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_text() == "before"


def test_what_the_answer_cannot_know_is_in_every_table(services: Services) -> None:
    origin = told(notes=("从未导入账单。",))
    for item in table_files(services, [{"orders": 1}], origin, ["orders"]):
        content = item.make()
        if item.format.suffix == "xlsx":
            assert ("说明", "从未导入账单。") in sheets_of(content)[1]
        elif item.format.suffix == "csv":
            assert csv_of(content)[0]["note"] == "从未导入账单。"
        else:
            assert origin_of(content)["notes"] == ["从未导入账单。"]


def test_files_are_named_for_what_they_hold() -> None:
    question = Question(date(2026, 5, 1), date(2026, 5, 31))
    assert file_name(told(question=question), "xlsx") == "mdash_trades_2026-05-01_2026-05-31.xlsx"
    origin = of_rows(Reader(), "../交易/a b", "x", made_at=datetime(2026, 5, 1, 17))
    assert file_name(origin, "csv") == "mdash_a_b_2026-05-02.csv"
    assert [item.suffix for item in formats("table")] == ["csv", "xlsx", "parquet"]
    assert [item.suffix for item in formats("figure")] == ["png", "svg", "html"]


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="csv, xlsx, parquet"):
        save_table(tmp_path / "a.doc", records_of_rows([], ["orders"]), told(), Reader())
    assert list(tmp_path.iterdir()) == []

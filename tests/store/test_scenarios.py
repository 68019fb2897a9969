"""Small hand-made stories with hand-computed numbers, and odd content that must do no harm."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sample_data.files import Line, bill_zip, trade_bill
from sample_data.merchant import Order, Refund
from tests.conftest import Mdash, run_mdash
from tests.store.messages import attempt, body, envelope, fields, order
from tests.store.test_bills import DAY, lines, newer

pytestmark = pytest.mark.slow

WHOLE = ("--from", "2026-01-01", "--to", "2026-12-31", "--format", "json")


class Story:
    """A home that is told things one file at a time."""

    def __init__(self, mdash: Mdash, folder: Path) -> None:
        self.mdash, self._folder, self._count = mdash, folder, 0

    def load(self, content: bytes | str) -> dict[str, Any]:
        self._count += 1
        path = self._folder / f"file-{self._count}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode() + b"\n")
        ran = self.mdash("load", str(path), "--json")
        found: dict[str, Any] = ran.json()["files"][0]
        return found | {"exit": ran.code}

    def rows(self, name: str, *arguments: str) -> list[dict[str, Any]]:
        ran = self.mdash("metric", name, *WHOLE, *arguments)
        assert ran.code == 0, ran.err
        found: list[dict[str, Any]] = ran.json()["rows"]
        return found

    def row(self, name: str) -> dict[str, Any]:
        return self.rows(name)[0]


@pytest.fixture
def story(mdash: Mdash, tmp_path: Path) -> Story:
    return Story(mdash, tmp_path)


def told(key: bytes, number: str = "M1", at: str = "2026-05-03T12:00:31+08:00", **more: str) -> str:
    return envelope(body(key, fields(number, **more)), at)


def test_undoing_an_export_brings_the_one_before_back(story: Story) -> None:
    story.load(trade_bill(DAY, DAY, lines()))
    before = story.row("sales"), story.row("settlement")
    assert story.load(newer(trade_bill(DAY, DAY, [])))["status"] == "replaced"
    assert story.row("sales")["paid"] == 0
    assert story.mdash("undo", "2").code == 0
    assert (story.row("sales"), story.row("settlement")) == before


def day_bill(day: date, count: int = 1, account: str | None = None) -> bytes:
    made = []
    for number in range(count):
        at = datetime.combine(day, datetime.min.time()) + timedelta(hours=9, minutes=number)
        item = Order(number, at, "QUICK_WAP_WAY", "h5", "S01", None, 1, [("A1", "杯", 1, 1000)], 1000,
                     None, "paid", paid_at=at, fee_fen=6)
        made.append(Line(item, None))
    content = trade_bill(day, day, made)
    return content.replace(b"2088000000000011", account.encode()) if account else content


def test_days_between_two_bills_of_one_archive_are_left_alone(
    story: Story, tmp_path: Path
) -> None:
    first, middle, last = date(2026, 5, 1), date(2026, 5, 2), date(2026, 5, 3)
    story.load(day_bill(middle))
    bill_zip(tmp_path / "two.zip", [("a.csv", day_bill(first)), ("b.csv", newer(day_bill(last)))])
    report = story.mdash("load", str(tmp_path / "two.zip"), "--json").json()["files"][0]
    assert (report["status"], report["rows"]) == ("loaded", 2)
    days = {row["day"]: row["gross_fen"] for row in story.rows("settlement", "--by", "day")}
    assert days == {"2026-05-01": 1000, "2026-05-02": 1000, "2026-05-03": 1000}


def test_two_accounts_of_one_archive_stay_two(story: Story, tmp_path: Path) -> None:
    other = day_bill(DAY, account="2088000000000022").replace(b"M2026", b"N2026")
    bill_zip(tmp_path / "two.zip", [("a.csv", day_bill(DAY)), ("b.csv", other)])
    assert story.mdash("load", str(tmp_path / "two.zip")).code == 0
    assert story.load(other)["status"] == "duplicate"
    assert story.row("settlement")["gross_fen"] == 2000


def tries(*answers: tuple[str, str, str | None]) -> str:
    """Attempts of M1 at seconds past twelve: (second, code, sub_code)."""
    return "\n".join(
        attempt(attempt=number, at=f"2026-05-03T12:00:{second}+08:00", code=code, sub_code=sub,
                method="alipay.trade.pay")
        for number, (second, code, sub) in enumerate(answers, start=1)
    )


NO_FUNDS = "ACQ.BUYER_BALANCE_NOT_ENOUGH"


def test_the_attempt_that_paid_is_one_that_could(story: Story, channel_key: bytes) -> None:
    story.load(order() + "\n" + tries(("05", "10003", None), ("20", "40004", NO_FUNDS)))
    story.load(told(channel_key))
    row = story.row("payment_success")
    assert (row["orders"], row["succeeded"], row["first_attempt_rate"]) == (1, 1, 1.0)
    assert [(r["reason"], r["attempts"]) for r in story.rows("failures")] == [
        ("insufficient_funds", 1)
    ]


def test_an_already_paid_answer_is_neither_success_nor_failure(
    story: Story, channel_key: bytes
) -> None:
    paid_already = ("30.600", "40004", "ACQ.TRADE_HAS_SUCCESS")
    story.load(order() + "\n" + tries(("05", "10003", None), paid_already))
    story.load(told(channel_key))
    assert story.row("payment_success")["first_attempt_rate"] == 1.0
    assert story.rows("failures") == []
    channel = next(row for row in story.rows("latency") if row["stage"] == "channel")
    assert (channel["count"], channel["skewed"]) == (1, 0)


def query(at: str, **response: str) -> str:
    return json.dumps({
        "at": f"2026-05-03T{at}+08:00", "method": "alipay.trade.query",
        "request": {"out_trade_no": "M1"}, "response": response, "elapsed_ms": 80,
    })


def later(key: bytes) -> str:
    """A message of another order, a day later, so that M1's time is over."""
    return told(key, "Z9", "2026-05-05T12:00:00+08:00", gmt_create="2026-05-05 11:00:00",
                gmt_payment="2026-05-05 11:59:00")


@pytest.mark.parametrize(
    ("answers", "asked", "outcome"),
    [
        ((("05", "20000", "isp.unknow-error"),), None, "timeout_unknown"),
        ((("05", "20000", "isp.unknow-error"),), {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"},
         "channel_error"),
        ((("05", "10003", None),), {"code": "10000", "trade_status": "TRADE_CLOSED"}, "user_abandoned"),
        ((("05", "40004", NO_FUNDS), ("20", "40004", "ACQ.PAYMENT_REQUEST_HAS_RISK")), None,
         "risk_rejected"),
        ((("05", "20000", "isp.unknow-error"),), {"code": "10000", "trade_status": "TRADE_SUCCESS"},
         "paid"),
        ((), None, "user_abandoned"),
    ],
)
def test_outcomes(
    story: Story, channel_key: bytes, answers: Any, asked: dict[str, str] | None, outcome: str
) -> None:
    events = [order(), *([tries(*answers)] if answers else [])]
    events.append(order("Z9", at="2026-05-05T11:00:00+08:00", expires_at=None))
    if asked:
        events.append(query("12:01:00", **asked))
    story.load("\n".join(events))
    story.load(later(channel_key))
    found = [row["outcome"] for row in story.rows("outcomes")]
    assert found == [outcome]


def test_a_payment_after_expiry_is_late_and_not_converted(
    story: Story, channel_key: bytes
) -> None:
    story.load(order() + "\n" + order("Z9", at="2026-05-05T11:00:00+08:00", expires_at=None))
    story.load(told(channel_key, gmt_payment="2026-05-03 12:30:01") + "\n" + later(channel_key))
    assert [row["outcome"] for row in story.rows("outcomes")] == ["paid_late"]
    assert story.row("conversion")["paid"] == 0
    assert story.row("sales")["paid"] == 2


def test_what_no_source_tells_is_not_shown_as_zero(story: Story) -> None:
    story.load("\n".join([order(), attempt(), order("Z9", at="2026-05-05T11:00:00+08:00",
                                                     expires_at=None)]))
    row = story.row("conversion")
    assert (row["orders"], row["paid"], row["rate"]) == (2, None, None)
    assert story.rows("outcomes") == story.rows("payment_success") == []
    notes = story.mdash("metric", "conversion", *WHOLE).json()["notes"]
    assert any("notification_log" in note for note in notes)


def test_without_a_notification_log_nothing_is_missing(story: Story) -> None:
    story.load(order("M2026050300000000") + "\n" + attempt("M2026050300000000"))
    story.load(trade_bill(DAY, DAY, lines(1)))
    assert {row["stage"] for row in story.rows("latency")} <= {"channel", "api", "refund"}


def test_an_hour_is_one_row(story: Story) -> None:
    story.load(trade_bill(DAY, DAY, lines(3)))
    hours = [row["hour"] for row in story.rows("sales", "--by", "hour")]
    assert len(hours) == len(set(hours))
    assert all(hour.endswith(":00:00+08:00") for hour in hours)


def test_refunds_told_and_billed_in_turn(story: Story, channel_key: bytes) -> None:
    def refund(total: str, number: str, day: int) -> str:
        return told(channel_key, at=f"2026-05-0{day}T09:00:01+08:00", refund_fee=total,
                    out_biz_no=number, gmt_refund=f"2026-05-0{day} 09:00:00", notify_id=number)

    story.load("\n".join([told(channel_key), refund("3.00", "R1", 4), refund("8.00", "R3", 6)]))
    paid = Order(1, datetime(2026, 5, 3, 12), "QUICK_WAP_WAY", "h5", None, None, 1,
                 [("A1", "杯", 1, 8888)], 8888, None, "paid", paid_at=datetime(2026, 5, 3, 12, 0, 30))
    line = Line(paid, Refund("R2", 200, datetime(2026, 5, 5, 9), datetime(2026, 5, 5, 9)))
    bill = trade_bill(date(2026, 5, 5), date(2026, 5, 5), [line])
    story.load(bill.replace(paid.order_no.encode(), b"M1"))
    trade = story.mdash("trade", "M1", "--json").json()
    assert [(r["refund_no"], r["amount_fen"]) for r in trade["refunds"]] == [
        ("R1", 300), ("R2", 200), ("R3", 300),
    ]
    assert trade["refunded_fen"] == 800


def test_a_long_expiry_is_not_lost(story: Story, channel_key: bytes) -> None:
    story.load("\n".join([
        order("L1", at="2026-04-20T09:00:00+08:00", expires_at="2026-06-10T12:10:00+08:00"),
        order("Z1", at="2026-06-10T12:20:00+08:00", expires_at=None),
    ]))
    story.load(told(channel_key, "Z1", "2026-06-10T12:20:00+08:00", gmt_create="2026-06-10 12:20:00",
                    gmt_payment="2026-06-10 12:20:00"))
    row = story.row("conversion")
    assert (row["orders"], row["matured"], row["open"]) == (2, 1, 1)


def test_paid_without_a_time_is_still_paid(story: Story, channel_key: bytes) -> None:
    message = fields("M1")
    del message["gmt_payment"]
    story.load(order())
    story.load(envelope(body(channel_key, message)))
    assert story.row("sales")["paid"] == 1
    assert story.row("notifications")["expected"] == 1


def test_a_mismatched_refund_message_is_no_refund(story: Story, channel_key: bytes) -> None:
    story.load(trade_bill(DAY, DAY, lines(1)))
    number = "M2026050300000000"
    story.load(told(channel_key, number, total_amount="1.00", refund_fee="1.00", out_biz_no="RX",
                    gmt_refund="2026-05-04 09:00:00"))
    refunds = story.mdash("trade", number, "--json").json()["refunds"]
    assert "RX" not in [item["refund_no"] for item in refunds]


def test_an_empty_amount_is_rejected(story: Story) -> None:
    content = trade_bill(DAY, DAY, lines(2)).replace(b",10.00,10.00,", b",,10.00,", 1)
    report = story.load(content)
    assert (report["rows"], report["rejected"], report["exit"]) == (2, 1, 3)


ODD_EVENTS = [
    order("X", at="9999-12-31T23:00:00Z"), order("X", at="0001-01-01T00:00:00+08:00"),
    attempt("X", elapsed_ms=1e30), attempt("X", attempt=99999999999),
    attempt("X").replace('"elapsed_ms": 200', '"elapsed_ms": Infinity'),
    order("\ud800"), order("a\u0000b"), order("X", channel=["alipay"]), order({"a": 1}),  # type: ignore[arg-type]
    order("X", amount="1e3"), order("X", amount="NaN"), order("X", amount=[1]),
    '{"event":"order","items":' + "[" * 100_000 + "]" * 100_000 + "}",
    '"text"', "null", "17", "{}", '{"event":"close","order_no":"X","at":"x","by":"me"}',
]


@pytest.mark.parametrize("odd", ODD_EVENTS, ids=range(len(ODD_EVENTS)))
def test_one_odd_event_is_rejected_and_the_rest_is_taken(story: Story, odd: str) -> None:
    report = story.load("\n".join([order(), odd, attempt()]))
    assert (report["rows"], report["rejected"], report["exit"]) == (2, 1, 3)
    assert "line 2" in report["message"]


def test_odd_messages_are_rejected_and_the_rest_is_taken(story: Story, channel_key: bytes) -> None:
    good = told(channel_key)
    odd = [
        good.replace("2026-05-03T12:00:31", "9999-12-31T23:59:59").replace("M1", "M2"),
        "{" * 50_000, "[a] b:" + "{}" * 100_000 + "x", '{"body": 1, "channel": "alipay"}',
        '{"body": "a=b", "channel": "nobody"}', "\x00\x01\x02",
    ]
    report = story.load("\n".join([good, *odd]))
    assert (report["rows"], report["rejected"]) == (1, len(odd))


def test_a_line_of_any_length_costs_bounded_memory(tmp_path: Path) -> None:
    from loaders.messages import MAX_LINE_BYTES, numbered_chunks

    path = tmp_path / "long"
    path.write_bytes(b"one\n" + b"x" * (40 * 2**20) + b"\nthree\n")
    found = [(number + at, line[:5], len(line)) for lines_, number in numbered_chunks(path)
             for at, line in enumerate(lines_)]
    assert [item[:2] for item in found] == [(1, b"one"), (2, b"xxxxx"), (3, b"three")]
    assert max(item[2] for item in found) == MAX_LINE_BYTES + 1


def test_bill_times_outside_of_time_are_rejected(story: Story) -> None:
    for odd in (b"infinity", b"9999-12-31 00:00:00"):
        content = trade_bill(DAY, DAY, lines(2)).replace(b"2026-05-03 00:30:09", odd, 1)
        assert story.load(newer(content, f"2026年05月0{len(odd) % 5 + 4}日 09:00:00"))["rejected"] == 1


def test_rows_of_another_day_refuse_the_bill(story: Story) -> None:
    content = trade_bill(DAY, DAY, lines(2))
    report = story.load(content.replace(b"2026-05-03 01:30:09", b"2026-05-09 01:30:09"))
    assert (report["status"], report["exit"]) == ("refused", 4)


def test_an_archive_of_a_bill_and_a_log_loads_both(
    story: Story, tmp_path: Path, channel_key: bytes
) -> None:
    bill_zip(tmp_path / "both.zip", [
        ("a.csv", day_bill(DAY)), ("n.log", (told(channel_key) + "\n").encode()),
    ])
    report = story.mdash("load", str(tmp_path / "both.zip"), "--json").json()["files"][0]
    assert (report["rows"], report["status"]) == (2, "loaded")
    assert story.row("notifications")["received"] == 1


def test_a_summary_with_another_amount_refuses_the_archive(story: Story, tmp_path: Path) -> None:
    from sample_data.files import trade_summary

    summary = trade_summary(DAY, DAY, lines()).replace(b"56.00", b"99.00")
    bill_zip(tmp_path / "a.zip", [("s.csv", summary), ("d.csv", trade_bill(DAY, DAY, lines()))])
    assert story.mdash("load", str(tmp_path / "a.zip")).code == 4


def test_one_bad_byte_in_a_utf8_bill_rejects_its_row(story: Story) -> None:
    text = trade_bill(DAY, DAY, lines()).decode("gb18030").encode()
    report = story.load(text.replace("手机壳".encode(), b"\xff\xfe", 1))
    assert (report["rows"], report["rejected"]) == (6, 1)


CSV = "event,order_no,at,channel,amount\norder,C1,2026-05-03T12:00:00+08:00,alipay,1.00\n"


def test_csv_checkout_logs(story: Story) -> None:
    assert story.load(CSV)["rows"] == 1
    header = CSV.split("\n", 1)[0]
    quoted = CSV.replace(header, ",".join(f'"{name}"' for name in header.split(",")))
    assert story.load(quoted.replace("C1", "C2"))["rows"] == 1
    gbk = CSV.replace("amount\n", "amount,store\n").replace("1.00\n", "1.00,城西店\n")
    assert story.load(gbk.replace("C1", "C3").encode("gbk"))["rows"] == 1
    found = story.mdash("sql", "select store from trades where order_no = 'C3'", "--format", "json")
    assert found.json()["rows"][0]["store"] == "城西店"
    assert story.load(CSV + 'order,"C4,2026-05-03T12:00:00+08:00,alipay,1.00\n')["exit"] == 4


def test_card_numbers_never_get_past_the_parser(story: Story, home: Path) -> None:
    card = "4111111111111111"
    content = trade_bill(DAY, DAY, lines()).replace("手机壳".encode("gbk"), card.encode(), 1)
    assert story.load(content)["rows"] == 7
    story.load(order("K1", items=[{"sku": card, "name": card}], store=card))
    out = story.mdash("sql", "select subject from settlement_lines", "--format", "csv").out
    out += story.mdash("sql", "select items, store from checkout_events", "--format", "csv").out
    assert card not in out
    assert "************1111" in out


def test_the_catalogs_password_is_never_shown(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "mdash.toml").write_text(
        '[store]\ncatalog = "postgres:host=127.0.0.1 port=1 password=S3CRETPW dbname=x"\n', "utf-8"
    )
    for command in (["sql", "select 1"], ["metric", "sales", *WHOLE], ["check"]):
        ran = run_mdash(home, *command)
        assert ran.code == 2
        assert "S3CRETPW" not in ran.out + ran.err


@pytest.mark.parametrize("query_", [
    "select * from sqlite_scan('x', 't')", "select * from read_text('/etc/hostname')",
    "select * from lake.trade", "select * from duckdb_databases()", "delete from loads",
    "select 1; select 2", "copy (select 1) to 'x.csv'", "attach 'x' as y", "install httpfs",
    "select * from ducklake_flush_inlined_data('lake')", "selec",
])
def test_sql_reads_the_published_views_and_nothing_else(story: Story, query_: str) -> None:
    ran = story.mdash("sql", query_)
    assert (ran.code, ran.out) == (4, "")
    assert "Traceback" not in ran.err


def test_an_attempt_read_before_its_order_of_the_day_before_is_its_attempt(
    story: Story, tmp_path: Path
) -> None:
    attempt = {
        "event": "attempt", "order_no": "X1", "attempt": 1, "at": "2026-05-04T00:10:00+08:00",
        "method": "alipay.trade.pay", "reached_channel": True, "code": "40004",
        "sub_code": "ACQ.BUYER_BALANCE_NOT_ENOUGH",
    }
    order = {
        "event": "order", "order_no": "X1", "at": "2026-05-03T23:50:00+08:00", "channel": "alipay",
        "amount": "8.00", "expires_at": "2026-05-04T00:20:00+08:00",
    }
    later = order | {"order_no": "X2", "at": "2026-05-06T09:00:00+08:00", "expires_at": None}
    for name, events in (("attempts", [attempt]), ("orders", [order]), ("later", [later])):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(event) for event in events) + "\n", "utf-8")
        assert story.mdash("load", str(path)).code == 0
    assert [row["reason"] for row in story.rows("failures")] == ["insufficient_funds"]


def test_an_order_of_a_superseded_export_keeps_its_line(story: Story) -> None:
    """Its line has no effect until the newer export goes; what comes in between must not lose it."""
    midnight = datetime.combine(DAY, datetime.min.time())

    def line(number: int, at: datetime) -> Line:
        made = Order(number, at, "QUICK_WAP_WAY", "h5", None, None, 1, [("A1", "杯", 1, 1000)], 1000,
                     None, "paid", paid_at=at + timedelta(seconds=9), fee_fen=6)
        return Line(made, None)

    left_out = line(7, midnight + timedelta(seconds=2))
    others = [line(number, midnight + timedelta(hours=9, minutes=number)) for number in range(3)]
    story.load(newer(trade_bill(DAY, DAY, others)))
    assert story.load(trade_bill(DAY, DAY, [*others, left_out]))["status"] == "superseded"
    number = left_out.order.order_no
    story.load(order(order_no=number, at="2026-05-02T23:59:58+08:00", amount="10.00",
                     expires_at="2026-05-03T00:30:00+08:00"))
    assert story.row("sales")["paid"] == 3
    assert story.mdash("undo", "1").code == 0
    story.load(attempt(order_no=number, at="2026-05-02T23:59:59+08:00", code="10003"))
    assert story.row("sales")["paid"] == 4

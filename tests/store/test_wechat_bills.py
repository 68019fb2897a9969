"""WeChat Pay's bills: variants, damage, wrong files; parts of a day; both readers agree."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.channels import CHANNELS, retry_ladders
from loaders.settings import load_settings
from loaders.store.warehouse import Warehouse
from sample_data.files import Line
from sample_data.files import trade_bill as alipay_bill
from sample_data.merchant import Order, Refund
from sample_data.wechat_files import MCHID, TRADE_HEADERS, fund_flow, packed, trade_bill
from tests.conftest import Mdash, run_mdash
from tests.store.test_bill_readers import both
from tests.store.test_bills import lines, load

pytestmark = pytest.mark.slow

DAY = date(2026, 5, 3)
WECHAT = CHANNELS["wechatpay"]
WHOLE = {"gross_fen": 6000, "refunded_fen": 400, "fee_fen": 34, "net_fen": 5566}


def settled(mdash: Mdash) -> dict[str, Any]:
    rows = mdash("metric", "settlement", "--from", "2026-05-01", "--to", "2026-05-31", "--by",
                 "channel", "--format", "json").json()["rows"]
    return {row.pop("channel"): row for row in rows}


def bill(**_: Any) -> bytes:
    return trade_bill(lines())


def with_line(old: str, new: str, number: int = 1) -> bytes:
    """The bill with one text of one line changed."""
    rows = bill().decode().split("\r\n")
    assert old in rows[number]
    rows[number] = rows[number].replace(old, new)
    return "\r\n".join(rows).encode()


SHAPES: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda b: b.removeprefix(b"\xef\xbb\xbf"),
    lambda b: b.replace(b"\r\n", b"\n"),
    lambda b: b.removesuffix(b"\r\n"),
    gzip.compress,
    lambda b: b.decode("utf-8-sig").encode("gb18030"),
    lambda b: b.replace(b",`", b",").replace(b"\n`", b"\n"),
)


def test_every_shape_of_a_bill_says_the_same(mdash: Mdash, tmp_path: Path) -> None:
    made = [*((shape, bill()) for shape in SHAPES), (bytes, trade_bill(lines(), "LEGACY"))]
    for day, (shape, content) in enumerate(made, start=10):
        dated = content.replace(b"2026-05-03 ", f"2026-05-{day} ".encode())
        (tmp_path / f"{day}.csv").write_bytes(shape(dated))
    ran = mdash("load", *(str(path) for path in sorted(tmp_path.glob("*.csv"))), "--json")
    assert ran.code == 0
    for day, report in enumerate(ran.json()["files"], start=10):
        assert (report["status"], report["rows"], report["rejected"]) == ("loaded", 7, 0)
        assert (report["channel"], report["kind"]) == ("wechatpay", "trade_bill")
        assert report["covers"] == [f"2026-05-{day}", f"2026-05-{day}"]
    rows = mdash("metric", "settlement", "--from", "2026-05-01", "--to", "2026-05-31", "--by", "day",
                 "--format", "json").json()["rows"]
    assert [{name: row[name] for name in WHOLE} for row in rows] == [WHOLE] * len(made)


def test_the_same_order_numbers_at_two_channels_stay_apart(mdash: Mdash, tmp_path: Path) -> None:
    load(mdash, tmp_path / "a.csv", bill())
    load(mdash, tmp_path / "b.csv", alipay_bill(DAY, DAY, lines(3)))
    assert settled(mdash) == {
        "wechatpay": WHOLE,
        "alipay": {"gross_fen": 3000, "refunded_fen": 400, "fee_fen": 16, "net_fen": 2584},
    }
    sales = mdash("metric", "sales", "--from", "2026-05-03", "--to", "2026-05-03", "--by", "channel",
                  "--format", "json").json()["rows"]
    assert [(row["channel"], row["paid"], row["refunded_fen"]) for row in sales] == [
        ("alipay", 3, 400), ("wechatpay", 6, 400),
    ]


def test_a_bill_and_its_fund_flow_count_money_once(mdash: Mdash, tmp_path: Path) -> None:
    load(mdash, tmp_path / "a.csv", bill())
    report = load(mdash, tmp_path / "b.gz", packed(f"{MCHID}Basic{DAY}.csv", fund_flow(lines())))
    assert (report["kind"], report["rows"], report["exit"]) == ("account_bill", 14, 0)
    assert settled(mdash) == {"wechatpay": WHOLE}
    moves = mdash("sql", "select kind, sum(coalesce(income_fen, 0) + coalesce(expense_fen, 0))::bigint"
                  " as fen from account_lines group by all order by all", "--format", "json").json()
    assert moves["rows"] == [
        {"kind": "fee", "fen": -34}, {"kind": "payment", "fen": 6000}, {"kind": "refund", "fen": -400},
    ]


def test_a_fund_flow_alone_gives_the_same_settlement(mdash: Mdash, tmp_path: Path) -> None:
    load(mdash, tmp_path / f"{MCHID}Basic{DAY}.csv", fund_flow(lines()))
    assert settled(mdash) == {"wechatpay": WHOLE}


def test_a_fund_flow_of_nobody_is_refused_until_the_account_is_known(
    mdash: Mdash, home: Path, tmp_path: Path
) -> None:
    report = load(mdash, tmp_path / "flow.csv", fund_flow(lines()))
    assert (report["status"], report["exit"]) == ("refused", 2)
    assert "mchid" in report["message"]
    with (home / "mdash.toml").open("a", encoding="utf-8") as file:
        file.write(f'[channels.wechatpay]\nmchid = "{MCHID}"\n')
    assert load(mdash, tmp_path / "flow.csv", fund_flow(lines()))["status"] == "loaded"


@pytest.mark.parametrize("order", [
    ("SUCCESS", "REFUND", "ALL"), ("REFUND", "ALL", "SUCCESS"), ("ALL", "SUCCESS", "REFUND"),
])
def test_parts_of_a_day_stand_beside_each_other_and_below_the_whole(
    order: tuple[str, ...], mdash: Mdash, tmp_path: Path
) -> None:
    loaded: dict[str, str] = {}
    for kind in order:
        report = load(mdash, tmp_path / f"{kind}.csv", trade_bill(lines(), kind))
        loaded[kind] = report["status"]
        if {"SUCCESS", "REFUND"} <= set(loaded) or "ALL" in loaded:
            assert settled(mdash) == {"wechatpay": WHOLE}
    after = set(order[order.index("ALL") + 1 :])
    for kind in ("SUCCESS", "REFUND"):
        assert loaded[kind] == ("superseded" if kind in after else "loaded")
    assert loaded["ALL"] == ("loaded" if order[0] == "ALL" else "replaced")
    sales = mdash("metric", "sales", "--from", "2026-05-03", "--to", "2026-05-03", "--format",
                  "json").json()["rows"][0]
    assert (sales["paid_fen"], sales["refunded_fen"]) == (6000, 400)


def test_taking_the_whole_back_brings_its_parts_back(mdash: Mdash, tmp_path: Path) -> None:
    for kind in ("SUCCESS", "REFUND", "ALL"):
        load(mdash, tmp_path / f"{kind}.csv", trade_bill(lines(8) if kind == "ALL" else lines(), kind))
    assert settled(mdash)["wechatpay"]["gross_fen"] == 8000
    assert mdash("undo", "3").code == 0
    assert settled(mdash) == {"wechatpay": WHOLE}


def test_a_refund_bill_goes_by_the_day_of_the_refund(mdash: Mdash, tmp_path: Path) -> None:
    paid = datetime(2026, 4, 20, 12)
    order = Order(1, paid, "JSAPI", "h5", None, None, 1, [("A1", "手机壳", 1, 1000)], 1000, None,
                  "paid", paid_at=paid, fee_fen=6)
    refund = Refund("RF1", 500, paid, datetime(2026, 5, 3, 23, 50))
    report = load(mdash, tmp_path / "a.csv", trade_bill([Line(order, refund)], "REFUND"))
    assert report["covers"] == ["2026-05-03", "2026-05-03"]
    assert settled(mdash)["wechatpay"]["refunded_fen"] == 500


def test_a_day_without_a_trade_is_covered(mdash: Mdash, tmp_path: Path) -> None:
    report = load(mdash, tmp_path / f"{MCHID}All{DAY}.csv", trade_bill([]))
    assert (report["status"], report["rows"], report["covers"]) == (
        "loaded", 0, ["2026-05-03", "2026-05-03"],
    )


def test_fractions_of_a_fen_are_kept(mdash: Mdash, tmp_path: Path) -> None:
    content = with_line("`0.06000", "`0.06125").replace(b"`0.34000", b"`0.34125")
    load(mdash, tmp_path / "a.csv", content)
    assert settled(mdash)["wechatpay"]["fee_fen"] == 34.125


def test_free_text_may_hold_what_parts_cells(mdash: Mdash, tmp_path: Path) -> None:
    content = with_line("`手机壳", '`手机壳,透明"款`大')
    report = load(mdash, tmp_path / "a.csv", content)
    assert (report["rows"], report["rejected"]) == (7, 0)
    found = mdash("sql", "select subject from settlement_lines order by line limit 1", "--format",
                  "json").json()["rows"]
    assert found == [{"subject": '手机壳,透明"款`大'}]


def test_an_odd_row_is_rejected_and_the_rest_kept(mdash: Mdash, tmp_path: Path) -> None:
    report = load(mdash, tmp_path / "a.csv", with_line("`10.00", "`ten", 3))
    assert (report["rows"], report["rejected"], report["exit"]) == (6, 1, 3)
    assert "line 4" in report["message"]


def test_a_revoked_payment_gives_its_money_back(mdash: Mdash, tmp_path: Path) -> None:
    content = bill().replace(b"`REFUND,", b"`REVOKED,").replace(b"`RF1,", b"`0,")
    load(mdash, tmp_path / "a.csv", content)
    assert settled(mdash) == {"wechatpay": WHOLE}
    found = mdash("sql", "select refund_no, amount_fen from refunds", "--format", "json").json()
    assert found["rows"] == [{"refund_no": "M2026050300000000", "amount_fen": 400}]


WRONG: dict[str, tuple[bytes, str]] = {
    "cut in a row": (bill()[:900], "cut off"),
    "cut at a row's end": (b"\r\n".join(bill().split(b"\r\n")[:4]) + b"\r\n", "cut off"),
    "cut in the summary": (bill().rsplit(b"\r\n", 2)[0] + b"\r\n", "cut off"),
    "a row lost": (
        b"\r\n".join(bill().split(b"\r\n")[:2] + bill().split(b"\r\n")[3:]),
        "总交易单数 says 7, its rows give 6",
    ),
    "wrong amount": (
        bill().replace(b"`60.00,`4.00", b"`61.00,`4.00"),
        "应结订单总金额 says 61.00, its rows give 60.00",
    ),
    "wrong fee": (bill().replace(b"`0.34000", b"`0.35000"), "手续费总金额 says 0.35000"),
    "wrong refund": (bill().replace(b"`60.00,`4.00", b"`60.00,`4.01"), "退款总金额 says 4.01"),
    "summary of words": (bill().replace(b"`60.00,`4.00", b"`many,`4.00"), "no number"),
    "wrong fund flow": (fund_flow(lines()).replace(b"`60.02", b"`60.03"), "收入金额 says 60.03"),
    "two in one": (bill() + bill().replace(MCHID.encode(), b"1900000110"), "several bills"),
    "quoted by a spreadsheet": (
        "\r\n".join(
            ",".join(f'"{cell}"' for cell in row.split(","))
            for row in bill().decode("utf-8-sig").split("\r\n")
        ).encode(), "Excel",
    ),
    "an error of v2 and its text": (
        b"<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[invalid bill_date]]>"
        b"</return_msg><error_code><![CDATA[20001]]></error_code></xml>", "20001 invalid bill_date",
    ),
    "saved by Excel": (bill().replace(b"2026-05-03 00", b"2026/5/3 00"), "Excel"),
    "personal": (
        "\ufeff微信支付账单明细,,,,,,,,\r\n微信昵称：[某],,,,,,,,\r\n".encode(), "personal",
    ),
    "no bill": (b'{"code":"NO_STATEMENT_EXIST","message":"x"}', "nothing was traded"),
    "being made": (b'{"code":"STATEMENT_CREATING","message":"x"}', "still being made"),
    "another error": (b'{"code":"NO_AUTH","message":"x"}', "NO_AUTH"),
    "no bill in v2": (
        b"<xml><return_code><![CDATA[FAIL]]></return_code>\n<return_msg><![CDATA[No Bill Exist]]>"
        b"</return_msg>\n<error_code><![CDATA[20002]]></error_code>\n</xml>", "nothing was traded",
    ),
    "v2 message": (
        b"<xml><return_code><![CDATA[SUCCESS]]></return_code><transaction_id>1</transaction_id></xml>",
        "API v2",
    ),
    "new layout": (bill().replace("手续费,".encode(), b"").replace("应结订单金额".encode(), b"x"),
                   "应结订单金额"),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory, fresh_home: Path) -> dict[str, dict[str, Any]]:
    """The reports of every wrong file, loaded at once."""
    base = tmp_path_factory.mktemp("wechat")
    home = Path(shutil.copytree(fresh_home, base / "home"))
    (base / "in").mkdir()
    for number, (content, _) in enumerate(WRONG.values()):
        (base / "in" / f"{MCHID}x{number:02}.csv").write_bytes(content)
    ran = run_mdash(home, "load", str(base / "in"), "--json")
    assert ran.code == 4
    return dict(zip(WRONG, ran.json()["files"], strict=True))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_and_says_what_to_do(
    name: str, refused: dict[str, dict[str, Any]]
) -> None:
    assert (refused[name]["status"], refused[name]["rows"]) == ("refused", 0)
    assert WRONG[name][1] in refused[name]["message"]


@pytest.mark.parametrize(("kind", "content"), [
    *(("trade_bill", trade_bill(lines(), kind)) for kind in TRADE_HEADERS),
    ("account_bill", fund_flow(lines())),
])
def test_bills_as_the_channel_makes_them_are_read_quickly_and_alike(
    kind: str, content: bytes, tmp_path: Path
) -> None:
    quick, patient = both(tmp_path, content, kind, WECHAT, "utf-8")
    assert quick == patient
    assert patient


CELL = st.one_of(
    st.sampled_from([
        "", " ", "手机壳", " 手机壳 ", "4111111111111111", "0", " 0", "0.00", "-0.01", "0.00001",
        "1.005", "99999999999999.99", "2026-05-03 10:00:00", "2026-02-30 10:00:00", "2026-05-03",
        "SUCCESS", "REFUND", " REFUND", "REVOKED", "收入", "支出", "x,y", "`", "x`,`y",
    ]),
    st.decimals(-10**9, 10**9, places=5).map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t,`"), max_size=12),
)


@settings(max_examples=120, deadline=None)
@given(
    is_flow=st.booleans(),
    cells=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 26), CELL), max_size=4),
)
def test_whatever_stands_in_a_cell_both_readers_agree(
    is_flow: bool, cells: list[tuple[int, int, str]]
) -> None:
    rows = (fund_flow(lines()) if is_flow else bill()).decode().split("\r\n")
    for row, column, text in cells:
        parts = rows[row].split(",`")
        parts[min(column, len(parts) - 1)] = ("" if column else "`") + text
        rows[row] = ",`".join(parts)
    kind = "account_bill" if is_flow else "trade_bill"
    with TemporaryDirectory() as folder:
        quick, patient = both(Path(folder), "\r\n".join(rows).encode(), kind, WECHAT, "utf-8")
    assert quick is None or quick == patient


def test_a_store_made_before_parts_were_known_learns_of_them(home: Path, tmp_path: Path) -> None:
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        warehouse.execute("alter table lake.bill_days drop column part")
        warehouse.execute("alter table lake.deliveries drop column refund_fen")
    def mdash(*arguments: str) -> Any:
        return run_mdash(home, *arguments)
    for kind in ("SUCCESS", "REFUND"):
        assert load(mdash, tmp_path / f"{kind}.csv", trade_bill(lines(), kind))["exit"] == 0
    assert settled(mdash) == {"wechatpay": WHOLE}


def test_the_accounts_of_a_merchant_stand_beside_each_other(mdash: Mdash, tmp_path: Path) -> None:
    load(mdash, tmp_path / f"{MCHID}All{DAY}.csv", bill())
    flows = {"Basic": MCHID, "Operation": f"{MCHID}-OPERATION", "Fees": f"{MCHID}-FEES"}
    for name in flows:
        report = load(mdash, tmp_path / f"{MCHID}{name}{DAY}.csv", fund_flow(lines()[: len(name)]))
        assert report["status"] == "loaded"
    rows = mdash("sql", "select account, count(*) as n from account_lines group by all order by 1",
                 "--format", "json").json()["rows"]
    assert [row["account"] for row in rows] == sorted(flows.values())
    assert settled(mdash)["wechatpay"]["gross_fen"] == WHOLE["gross_fen"]
    again = load(mdash, tmp_path / f"{MCHID}Fees{DAY}.csv", fund_flow(lines()[:6]))
    assert again["status"] in ("replaced", "superseded")
    assert len(mdash("sql", "select distinct account from account_lines", "--format",
                     "json").json()["rows"]) == 3

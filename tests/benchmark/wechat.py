"""`python -m tests.benchmark wechat`: a large WeChat Pay bill against a bare read_csv."""

from __future__ import annotations

from pathlib import Path

import duckdb

from sample_data.files import yuan
from sample_data.wechat_files import APPID, MCHID, TRADE_HEADERS
from tests.benchmark import inputs
from tests.benchmark.timing import ROWS, cpu, mdash, timed, told


def write_bill(path: Path, rows: int) -> None:
    """A day's ALL bill of so many rows, one in fifty a refund."""
    paid = back = fees = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write(TRADE_HEADERS["ALL"] + "\r\n")
        for number in range(rows):
            is_back = number % 50 == 49
            fen = 100 + number * 7919 % 90_000
            fee = fen * 6 // 1000 * (-1 if is_back else 1)
            fees += fee
            second = number * 86_399 // rows
            at = f"2026-03-01 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            amount, none = yuan(fen), "0.00"
            paid, back = (paid, back + fen) if is_back else (paid + fen, back)
            file.write(
                f"`{at},`{APPID},`{MCHID},`0,`S{number % 10:02},`42000{number:023},"
                f"`M20260301{number:09},`oBUYER{number % 700_000:020},`JSAPI,"
                f"`{'REFUND' if is_back else 'SUCCESS'},`OTHERS,`CNY,"
                f"`{none if is_back else amount},`0.00,`{f'50300{number:023}' if is_back else 0},"
                f"`{f'R{number}' if is_back else 0},`{amount if is_back else none},`0.00,"
                f"`{'ORIGINAL' if is_back else ''},`{'SUCCESS' if is_back else ''},"
                f"`手机壳 透明 {number % 37}号,`,`{yuan(fee)}000,`0.60%,`{none if is_back else amount},"
                f"`{amount if is_back else none},`\r\n"
            )
        file.write(
            "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
            f"`{rows},`{yuan(paid)},`{yuan(back)},`0.00,`{yuan(fees)}000,`{yuan(paid)},`{yuan(back)}\r\n"
        )


def wechat(folder: Path) -> None:
    """Rows a second of a whole load against turning the same bytes into Parquet, and memory."""
    bill = folder / f"{MCHID}All2026-03-01.csv"
    write_bill(bill, ROWS)

    def bare() -> None:
        shape = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(27))
        duckdb.connect().execute(
            f"copy (select * from read_csv('{bill}', header = false, delim = ',', quote = '',"
            " escape = '', skip = 1, auto_detect = false, ignore_errors = true,"
            f" columns = {{{shape}}})) to '{folder / 'bare.parquet'}'"
        )

    peaks: list[float] = []
    homes = iter([inputs.made_home(folder / name, inputs.channel_key()) for name in "abc"])

    def load() -> None:
        peaks.append(mdash(next(homes), "load", str(bill))[1])

    peer, ours = min(timed(bare), timed(bare)), min(timed(load), timed(load))
    told("wechat bill: rows/s against read_csv", peer / ours, ">= 0.40",
         f"{ROWS / ours / 1000:.0f}k rows/s against {ROWS / peer / 1000:.0f}k")
    bare_cpu, load_cpu = cpu(bare), cpu(load)
    told("wechat bill: processor time against read_csv", bare_cpu / load_cpu, ">= 0.40",
         f"{load_cpu:.1f} s against {bare_cpu:.1f} s")
    told("wechat bill: peak memory in GiB", max(peaks) / 1024, "<= 1.0", f"{ROWS} rows")

"""`uv run python -m tests.benchmark [SECTION…]`: every section of the list at the end."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import parse_qs

import duckdb

from dashboard.metrics.catalogue import ask
from dashboard.metrics.question import Question
from dashboard.services import Services
from loaders.channels.alipay import signing
from loaders.settings import load_settings
from tests.benchmark import buyers, inputs
from tests.benchmark.peers import sdk_verify, verify_only
from tests.benchmark.receiver import receiver as rows_of_receiver
from tests.benchmark.sessions import measure
from tests.benchmark.timing import ROWS, cpu, mdash, timed, told
from tests.benchmark.wechat import wechat

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "240000"))
TRADES = int(os.environ.get("BENCH_TRADES", "20000000"))


def bills(folder: Path) -> None:
    """A large bill against iconv with a bare read_csv, and against pandas."""
    bill, rows = folder / "bill.csv", ROWS
    inputs.write_bill(bill, rows)

    def bare() -> None:
        text, target = folder / "bare.csv", folder / "bare.parquet"
        with text.open("wb") as sink:
            subprocess.run(["iconv", "-f", "GB18030", "-t", "UTF-8", str(bill)], stdout=sink, check=True)
        shape = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(25))
        duckdb.connect().execute(
            f"copy (select * from read_csv('{text}', header = false, delim = ',', quote = '',"
            f" escape = '', skip = 5, auto_detect = false, ignore_errors = true,"
            f" columns = {{{shape}}})) to '{target}'"
        )
        text.unlink()

    peaks: list[float] = []
    homes = iter([inputs.made_home(folder / f"bills-{name}", inputs.channel_key()) for name in "abc"])

    def load() -> None:
        peaks.append(mdash(next(homes), "load", str(bill))[1])

    peer, ours = min(timed(bare), timed(bare)), min(timed(load), timed(load))
    told("bill: rows/s against iconv + read_csv", peer / ours, ">= 0.45",
         f"{rows / ours / 1000:.0f}k rows/s against {rows / peer / 1000:.0f}k")
    bare_cpu, load_cpu = cpu(bare), cpu(load)
    told("bill: processor time against iconv + read_csv", bare_cpu / load_cpu, ">= 0.45",
         f"{load_cpu:.1f} s against {bare_cpu:.1f} s")
    told("bill: peak memory in GiB", max(peaks) / 1024, "<= 1.0", f"{rows} rows")
    pandas = timed(lambda: subprocess.run(
        [sys.executable, "-c", _PANDAS, str(bill), str(folder / "pandas.parquet")], check=True))
    told("bill: rows/s against pandas", pandas / ours, ">= 3", f"{rows / pandas / 1000:.0f}k rows/s")


_PANDAS = """
import sys, pandas as pd
frame = pd.read_csv(sys.argv[1], encoding="gb18030", skiprows=4, dtype=str, engine="python",
                    on_bad_lines="skip", quoting=3)
frame = frame[~frame.iloc[:, 0].str.startswith("#", na=True)]
for name in frame.columns:
    frame[name] = frame[name].str.strip()
for name in [c for c in frame.columns if c.endswith("（元）")]:
    frame[name] = (pd.to_numeric(frame[name]) * 100).round().astype("int64")
for name in ("创建时间", "完成时间"):
    frame[name] = pd.to_datetime(frame[name])
frame.to_parquet(sys.argv[2])
"""


def notifications(folder: Path) -> None:
    """Messages verified and stored, against verifying alone and against python-alipay-sdk."""
    import json

    key, log = inputs.channel_key(), folder / "log.jsonl"
    inputs.write_log(log, key, MESSAGES)
    home = inputs.new_home(folder / "messages", key)
    public = (home / "keys" / "alipay_public_key.pem").read_bytes()
    bodies = [json.loads(line)["body"] for line in log.read_text("utf-8").splitlines()]
    contents = []
    for body in bodies[:20_000]:
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        contents.append((signing.notification_string(fields).encode(), fields["sign"]))
    halves = [(public, contents[:10_000]), (public, contents[10_000:])]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(verify_only, [(public, contents[:10])] * 2))
        verify = timed(lambda: list(pool.map(verify_only, halves))) / len(contents)
        sdk = timed(lambda: sdk_verify((public, bodies[:5_000]))) / 5_000
    ours = mdash(home, "load", str(log))[0] / MESSAGES
    told("notifications: rate against both cores verifying", verify / ours, ">= 0.20",
         f"{1 / ours:.0f}/s against {1 / verify:.0f}/s")
    told("notifications: rate against python-alipay-sdk", sdk / ours, ">= 3",
         f"{1 / sdk:.0f}/s on one core")


def pages(home: Path, trades: int) -> tuple[float, float, float]:
    """Seconds of the queries behind the pages, of a look-up by id, and of one trade's page (medians)."""
    services = Services(load_settings(home))
    last = inputs.FIRST + timedelta(days=inputs.DAYS - 1)
    month = Question(last - timedelta(days=29), last)
    daily = Question(month.first_day, last, ("day",))

    def every_page() -> None:
        for name in ("sales", "conversion", "payment_success", "outcomes", "failures", "latency",
                     "notifications", "refund_rate"):
            ask(services.reader, name, month)
        for name in ("sales", "conversion"):
            ask(services.reader, name, daily)

    def one_id() -> None:
        assert services.find_trades(f"N{trades * 7 // 11:010}")

    def one_trade() -> None:
        assert services.trade_desk.one("alipay", f"N{trades * 7 // 11:010}").steps()

    every_page()
    one_id()
    one_trade()
    page = sorted(timed(every_page) for _ in range(5))[2]
    found = sorted(timed(one_id) for _ in range(9))[4]
    read = sorted(timed(one_trade) for _ in range(9))[4]
    services.reader.close()
    return page, found, read


def scale(folder: Path) -> None:
    """A store of 20 million trades against one of 200 thousand, and against an empty one."""
    key, log = inputs.channel_key(), folder / "ten.jsonl"
    inputs.write_log(log, key, 10_000, "X")
    small = inputs.store_of(folder / "small", key, TRADES // 100)
    began = time.perf_counter()
    large = inputs.store_of(folder / "large", key, TRADES)
    print(f"a store of {TRADES} trades made in {time.perf_counter() - began:.0f} s", flush=True)
    page, found, read = pages(small, TRADES // 100)
    big_page, big_found, big_read = pages(large, TRADES)
    told("scale: a page's queries, 100 times the trades", big_page / page, "<= 4",
         f"{big_page * 1000:.0f} ms against {page * 1000:.0f} ms")
    told("scale: a look-up by id, 100 times the trades", big_found / found, "<= 2",
         f"{big_found * 1000:.0f} ms against {found * 1000:.0f} ms")
    told("scale: one trade's page, 100 times the trades", big_read / read, "<= 2",
         f"{big_read * 1000:.0f} ms against {read * 1000:.0f} ms")
    for name, asked in (("retention", buyers.retention_s), ("loyalty", buyers.loyalty_s)):
        few, many = asked(small), asked(large)
        told(f"scale: {name}'s queries, 100 times the trades", many / few, "<= 4",
             f"{many * 1000:.0f} ms against {few * 1000:.0f} ms")
    few, many = (inputs.load_day(home, TRADES) for home in (small, large))
    told("scale: a day's trades into it, against the small store", many / few, "<= 2",
         f"{many:.1f} s against {few:.1f} s for {TRADES // inputs.DAYS} trades")
    empty = mdash(inputs.new_home(folder / "empty", key), "load", str(log))[0]
    full = mdash(large, "load", str(log))[0]
    told("scale: 10,000 messages into it, against empty", full / empty, "<= 2",
         f"{full:.1f} s against {empty:.1f} s")


def receiver(folder: Path) -> None:
    """The receiver with its durable log against an endpoint that only answers."""
    for row in rows_of_receiver(folder):
        told(*row)


def sessions(folder: Path) -> None:
    """Twenty sessions on Overview against a trivial page, and against one session."""
    home = inputs.store_of(folder / "shop", inputs.channel_key(), TRADES // 100)
    seconds = measure(home, folder)
    told("sessions: first Overview of 20 against a trivial page",
         seconds["overview"] / seconds["trivial"], "<= 3",
         f"{seconds['overview']:.2f} s against {seconds['trivial']:.2f} s")
    told("sessions: a filter change with 20 against with one",
         seconds["changed"] / seconds["alone"], "<= 2",
         f"{seconds['changed']:.2f} s against {seconds['alone']:.2f} s;"
         f" all 20 at the same moment {seconds['at_once']:.2f} s")


def main() -> None:
    """Run the named sections, or all."""
    sections = {"bills": bills, "wechat": wechat, "notifications": notifications, "scale": scale,
                "receiver": receiver, "sessions": sessions}
    wanted = sys.argv[1:] or list(sections)
    base = os.environ.get("BENCH_DIR")
    folder = Path(tempfile.mkdtemp(prefix="mdash-benchmark-", dir=base))
    print(f"{date.today()} · {os.cpu_count()} cores · Python {sys.version.split()[0]}")
    try:
        for name in wanted:
            sections[name](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()

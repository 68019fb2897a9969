"""Large inputs for the benchmark: a bill, a log, and stores of any number of trades."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.warehouse import Warehouse
from sample_data.files import ACCOUNT, TRADE_HEADER, signed_lines, yuan
from tests.conftest import make_home
from tests.store.messages import fields

DAY = date(2026, 3, 1)
FIRST, DAYS = date(2025, 1, 1), 425


def channel_key() -> bytes:
    """A key pair of the stand-in channel."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_bill(path: Path, rows: int) -> None:
    """A day's trade bill of so many rows, one in fifty a refund."""
    counts, sums = [0, 0], [0, 0]
    with path.open("wb") as file:
        file.write(
            (f"#支付宝业务明细查询\r\n#账号：[{ACCOUNT}]\r\n#起始日期：[2026年03月01日 00:00:00]   "
             "终止日期：[2026年03月02日 00:00:00]\r\n#-----业务明细列表-----\r\n"
             f"{TRADE_HEADER}\r\n").encode("gb18030")
        )
        for first in range(0, rows, 50_000):
            block = []
            for number in range(first, min(rows, first + 50_000)):
                back = number % 50 == 49
                fen = 100 + number * 7919 % 90_000
                second = number * 86_399 // rows
                at = f"2026-03-01 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
                amount = yuan(-fen if back else fen)
                counts[back] += 1
                sums[back] += -fen if back else fen
                block.append(
                    f"20260301220014{number:014}\t,M20260301{number:09}\t,"
                    f"{'退款' if back else '交易'}\t,手机壳 透明 {number % 37}号,{at},{at},"
                    f"S{number % 10:02}\t,示例门店{number % 10}\t,\t,\t,*某(138****0000)\t,{amount},"
                    f"{amount},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,"
                    f"{f'R{number}' if back else ''}\t,{yuan((1 if back else -1) * fen * 6 // 1000)}"
                    ",0.00,\r\n"
                )
            file.write("".join(block).encode("gb18030"))
        file.write(
            (f"#-----业务明细列表结束-----\r\n#交易合计：{counts[0]}笔，商家实收共{yuan(sums[0])}元，"
             f"商家优惠共0.00元\r\n#退款合计：{counts[1]}笔，商家实收退款共{yuan(sums[1])}元，"
             "商家优惠退款共0.00元\r\n#导出时间：[2026年03月02日 05:46:49]\r\n").encode("gb18030")
        )


def write_log(path: Path, key: bytes, count: int, prefix: str = "K") -> None:
    """A notification log of so many signed messages, in our receiver's shape."""
    messages = [
        (datetime(2026, 2, 20, 12) + timedelta(seconds=number % 3600),
         fields(f"{prefix}{number:09}", gmt_create="2026-02-20 11:59:00",
                gmt_payment="2026-02-20 11:59:59", notify_time="2026-02-20 12:00:01"))
        for number in range(count)
    ]
    chunks = [messages[at : at + 1000] for at in range(0, count, 1000)]
    with (
        ProcessPoolExecutor(mp_context=get_context("spawn")) as pool,
        path.open("w", encoding="utf-8") as file,
    ):
        for lines in pool.map(signed_lines, [key] * len(chunks), chunks):
            file.write("\n".join(lines) + "\n")


def new_home(path: Path, key: bytes) -> Path:
    """An empty home, whatever was there before."""
    shutil.rmtree(path, ignore_errors=True)
    return make_home(path, key)


def made_home(path: Path, key: bytes) -> Path:
    """An empty home whose store exists already, as that of a merchant in use does."""
    home = new_home(path, key)
    with Warehouse(load_settings(home), retry_ladders()):
        return home


def store_of(path: Path, key: bytes, trades: int, chunk: int = 700_000) -> Path:
    """A home whose lake holds so many trades over 425 days, as if loaded in order.

    Raw rows are made in SQL, since signing 20 million messages would take hours; models, ids and
    roll-ups are made of them by the warehouse as for any load.
    """
    home = new_home(path, key)
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        warehouse.execute("set memory_limit = '8GB'")
        for number, (first, last) in enumerate(_chunks(trades, chunk), start=1):
            _load_chunk(warehouse, number, first, last, trades)
        warehouse.maintain()
    return home


def _load_chunk(warehouse: Warehouse, number: int, first: int, last: int, trades: int) -> None:
    with warehouse.transaction(f"chunk {number}"):
        for statement in _raw(number, first, last, trades):
            warehouse.execute(statement)
        warehouse.assign_homes(
            "select order_no, hint_day, false as is_payment_line from made"
            f" where {first} < {last}"
        )
        warehouse.merge_models()


def load_day(home: Path, trades: int) -> float:
    """Seconds in which the day after those of a store of so many trades is loaded into a home."""
    with Warehouse(load_settings(home), retry_ladders()) as warehouse:
        began = time.perf_counter()
        _load_chunk(warehouse, warehouse.next_load_id(), trades, trades + trades // DAYS, trades)
        return time.perf_counter() - began


def _chunks(trades: int, chunk: int) -> Iterator[tuple[int, int]]:
    for first in range(0, trades, chunk):
        yield first, min(trades, first + chunk)


def _raw(load_id: int, first: int, last: int, trades: int) -> list[str]:
    start = f"timestamp '{FIRST} 00:00:00' - interval 8 hour"
    return [
        "create or replace temp table made as select i, 'N' || lpad(i::varchar, 10, '0') as"
        f" order_no, {start} + to_milliseconds((i * {DAYS * 86_400_000} // {trades})::bigint) as"
        " created_at, hash(i) % 1000 as luck, 'b' || (hash(i * 3) % 1500000)::varchar as buyer,"
        " (100 + hash(i * 7) % 90000)::bigint as fen, i % 5 as kind, shop_day(created_at) as"
        f" hint_day from range({first}, {last}) as numbers(i)",
        "insert into lake.checkout_log by name select"
        f" {load_id} as load_id, i as line, i * 2 as line_key, hint_day, hint_day as home_day,"
        " 'order' as event, order_no, 'alipay' as channel, created_at as happened_at,"
        " ['QUICK_MSECURITY_PAY', 'QUICK_WAP_WAY', 'FACE_TO_FACE_PAYMENT', 'QR_CODE_OFFLINE',"
        " 'FAST_INSTANT_TRADE_PAY'][kind + 1] as product, ['ios', 'h5', 'pos', 'pos', 'web'][kind"
        " + 1] as client, case when kind in (2, 3) then 'S0' || luck % 4 end as store, case when"
        " luck % 12 = 0 then 'member' end as campaign, buyer, fen as amount_fen, created_at +"
        " interval 30 minute as expires_at from made",
        "insert into lake.checkout_log by name select"
        f" {load_id} as load_id, i as line, i * 2 + 1 as line_key, hint_day, hint_day as home_day,"
        " 'attempt' as event, order_no, 'alipay' as channel, created_at + interval 3 second as"
        " happened_at, 1 as attempt, 'alipay.trade.wap.pay' as method, true as is_payment, true as"
        " reached_channel, case when luck < 60 then '40004' else '10000' end as code, case when"
        " luck < 60 then 'ACQ.BUYER_BALANCE_NOT_ENOUGH' end as sub_code, 100 + luck as elapsed_ms,"
        " case when luck < 60 then 'insufficient_funds' end as reason, case when luck < 60 then"
        " 'customer' end as source, case when luck < 60 then 'pay' end as stage, true as is_known"
        " from made where luck < 950",
        "insert into lake.deliveries by name select"
        f" {load_id} as load_id, i as line, i as line_key, hint_day, hint_day as home_day, 'alipay'"
        " as channel, 'valid' as verdict, created_at + to_milliseconds((21000 + luck)::bigint) as"
        " received_at, true as is_receipt_time_known, 'n' || i as notify_id, order_no, 't' || i as"
        " trade_no, 'TRADE_SUCCESS' as status, true as proves_paid, false as is_refund, false as"
        " is_closed, fen as amount_fen, created_at, created_at + interval 20 second as paid_at,"
        " buyer as payer from made where luck between 120 and 990",
        "insert into lake.loads by name select"
        f" {load_id} as load_id, kind || '-{load_id}' as file, kind, 'loaded' as status, max(heard) as"
        " watermark from (select unnest(['checkout_log', 'notification_log']) as kind, created_at"
        " as heard from made) group by kind",
    ]

"""The two readers of a bill's rows give the same columns wherever the quick one takes a block."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders import bill_columns
from loaders.bill_blocks import BlockReader
from loaders.channels import CHANNELS
from loaders.channels.protocol import Channel
from loaders.files import Content
from loaders.records import BillFrame
from sample_data.files import account_bill, trade_bill
from tests.store.test_bills import lines

DAY = date(2026, 5, 3)
ALIPAY = CHANNELS["alipay"]


def frame_of(
    folder: Path, content: bytes, kind: str, channel: Channel, name: str = "bill.csv"
) -> tuple[BillFrame, Content]:
    path = folder / name
    path.write_bytes(content)
    whole = Content(path, path.name, len(content))
    assert channel.bills is not None
    return channel.bills.frame(whole.sample(), kind), whole


def both(
    folder: Path, content: bytes, kind: str, channel: Channel = ALIPAY, codec: str = "gb18030",
    name: str = "bill.csv",
) -> tuple[list[Any] | None, list[Any]]:
    """The rows as the quick reader gives them (None: it declines) and as the patient one does."""
    frame, whole = frame_of(folder, content, kind, channel, name)
    reader = BlockReader(channel, frame, whole)
    (block,) = reader.blocks()
    assert channel.bills is not None
    raw, _ = channel.bills.cut(block[2], block[1], frame)
    quick, patient = folder / "quick.parquet", folder / "patient.parquet"
    taken = bill_columns.write(
        channel, frame, codec, raw, block[1], quick
    )
    with duckdb.connect() as connection:
        reader.read_patiently(connection, raw, block[1], patient)
        names = [row[0] for row in connection.execute(f"describe from '{patient}'").fetchall()]
        query = f"select {', '.join(names)} from '{{}}' order by line"
        expected = connection.execute(query.format(patient)).fetchall()
        found = connection.execute(query.format(quick)).fetchall() if taken is not None else None
    return found, expected


@pytest.mark.parametrize(
    ("kind", "content"),
    [("trade_bill", trade_bill(DAY, DAY, lines())), ("account_bill", account_bill(DAY, DAY, lines()))],
)
def test_bills_as_the_channel_makes_them_are_read_quickly_and_alike(
    tmp_path: Path, kind: str, content: bytes
) -> None:
    quick, patient = both(tmp_path, content, kind)
    assert quick == patient
    assert len(patient) >= 7


CELL = st.one_of(
    st.sampled_from([
        "", " ", "手机壳", " 手机壳 ", "a", "4111111111111111", "卡 4111111111111111 号", "１", "\x1f",
        "#", '"', "1e5", "\u3000", "-", "0", "0.00", "-0.01", "1.005", "12.3400", "99999999999999.99",
        "+1.00", "2026-05-03 10:00:00", "2026-05-03", "2026-02-30 10:00:00", "1999-01-01 00:00:00",
        "2026-05-03T10:00:00", "2026/5/3 10:00", "交易", "退款", "转账", "x,y",
    ]),
    st.decimals(-10**9, 10**9, places=2).map(str),
    st.text(st.characters(codec="gb18030", exclude_characters="\n\r\t,"), max_size=12),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(cells=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 24), CELL), max_size=4))
def test_whatever_stands_in_a_cell_both_readers_agree(cells: list[tuple[int, int, str]]) -> None:
    content = trade_bill(DAY, DAY, lines()).decode("gb18030").split("\r\n")
    first = next(at for at, line in enumerate(content) if line.startswith("支付宝交易号")) + 1
    for row, column, text in cells:
        parts = content[first + row].split(",")
        parts[column] = text
        content[first + row] = ",".join(parts)
    with TemporaryDirectory() as folder:
        quick, patient = both(Path(folder), "\r\n".join(content).encode("gb18030"), "trade_bill")
    assert quick is None or quick == patient

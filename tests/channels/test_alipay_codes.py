"""The table of Alipay's codes is whole and says each thing once."""

from __future__ import annotations

import re

import pytest

from loaders.channels.alipay import codes, meanings
from tests.conftest import SHARED


def test_a_code_stands_in_the_table_once() -> None:
    listed = [code for row in meanings.ROWS for code in row.codes.split()]
    assert len(listed) == len(set(listed))


def test_every_official_code_has_a_meaning() -> None:
    path = SHARED / "facts" / "alipay.md"
    if not path.exists():
        pytest.skip("the list of codes is not here")
    official: set[str] = set()
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("error codes ("):
            official |= {part.strip() for code in re.findall(r"`([^`]+)`", line)[1:]
                         for part in code.split(",")}
    official -= {"unknown-sub-code"}  # says nothing by its own name
    assert len(official) > 200
    unmapped = sorted(
        code for code in official
        if codes.meaning("alipay.trade.refund", "40004", code).text == meanings.UNFAMILIAR.text
    )
    assert unmapped == []

"""Exported charts and pages are opened again: real Chinese, provenance, and no browser left behind."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import struct
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from xml.etree import ElementTree

import plotly.graph_objects as go
import psutil
import pytest
from kaleido import Kaleido
from playwright.sync_api import Browser
from pypdf import PageObject, PdfReader

from dashboard.exports import browser as chromium
from dashboard.exports.files import figure_files, page_files
from dashboard.exports.images import figure_html, figure_png, figure_svg
from dashboard.exports.pages import Chart, Listing, page_pdf
from dashboard.exports.provenance import Provenance, of_rows
from dashboard.metrics.catalogue import metric_named
from dashboard.metrics.question import Question
from loaders.errors import ConfigurationError, MdashError
from tests.exports.test_tables import LINK, Reader

pytestmark = pytest.mark.browser

TITLE = "订单转化率 <按日>"
QUESTION = Question(date(2026, 10, 1), date(2026, 10, 31), ("day",), {"store": ["上海<一>店"]})


@pytest.fixture(scope="module", autouse=True)
def _no_browser_is_left() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))
    yield
    pid = chromium.press().pid
    chromium.press().close()
    assert pid is None or not psutil.pid_exists(pid)
    left = set(psutil.Process().children(recursive=True)) - before
    assert [item for item in left if "chrom" in item.name()] == []


def told(language: str = "zh") -> Provenance:
    return of_rows(
        Reader(language), "conversion", TITLE, question=QUESTION, link=LINK,
        as_of=datetime(2026, 10, 31, 16), metrics=[metric_named("conversion")],
        notes=["从未导入账单。"], made_at=datetime(2026, 11, 1, 1),
    )


def figure() -> go.Figure:
    bars = go.Bar(x=["支付宝", "微信支付"], y=[3, 5], name="已支付")
    return go.Figure(bars).update_layout(height=320, showlegend=True)


def texts(svg: bytes) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_an_svg_keeps_its_text_and_says_where_it_comes_from() -> None:
    found = texts(figure_svg(figure(), told(), Reader("zh")))
    for text in ("微信支付", "已支付", TITLE, "上海<一>店", "2026-10-01 – 2026-10-31", LINK,
                 "数据截至：2026-11-01T00:00:00+08:00", "conversion v1", "从未导入账单。"):
        assert text in found


def test_a_png_has_its_size_and_draws_each_chinese_letter() -> None:
    content = figure_png(figure(), told(), Reader("zh"), width=900)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    wide, tall = struct.unpack(">II", content[16:24])
    assert wide == 1800
    assert tall > 2 * 320
    other = go.Figure(figure()).update_traces(name="已退款")
    assert figure_png(other, told(), Reader("zh"), width=900) != content


def test_html_works_alone(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "chart.html"
    path.write_bytes(figure_html(figure(), told(), Reader("zh")))
    context = browser.new_context(offline=True)
    page = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector(".main-svg .bars path")
    body = page.inner_text("body")
    page.wait_for_timeout(300)
    context.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    for text in (TITLE, "上海<一>店", LINK, "conversion v1", "从未导入账单。", "支付宝"):
        assert text in body


def test_a_page_is_printed_whole() -> None:
    rows = [{"day": date(2026, 10, 1), "orders": number, "paid_fen": number * 100, "rate": None}
            for number in range(120)]
    parts = [Chart("每日转化", figure()), Listing("明细", rows, list(rows[0]))]
    reader = PdfReader(io.BytesIO(page_pdf(parts, told(), Reader("zh"))))
    assert len(reader.pages) >= 3
    box = reader.pages[0].mediabox
    assert (round(float(box.width)), round(float(box.height))) == (595, 842)
    sheets = [words_of(page) for page in reader.pages]
    whole = " ".join(sheets)
    for text in (TITLE, "每日转化", "明细", "¥119.00", LINK, "conversion v1", "从未导入账单。"):
        assert text in whole
    assert "支付宝" in whole
    for number, sheet in enumerate(sheets, 1):
        assert f"{number} / {len(sheets)}" in sheet
        assert "2026-11-01T00:00:00+08:00" in sheet
    assert fonts_without_a_file(reader) == set()


def words_of(page: PageObject) -> str:
    """A sheet's text; a letter that shares its glyph with a Kangxi radical reads as the letter."""
    return unicodedata.normalize("NFKC", re.sub(r"\s+", " ", page.extract_text()))


def fonts_without_a_file(reader: PdfReader) -> set[str]:
    missing = set()
    for page in reader.pages:
        fonts = page["/Resources"].get_object().get("/Font", {}).get_object()
        assert fonts
        for font in fonts.values():
            whole = font.get_object()
            own = whole.get("/DescendantFonts", [whole])[0].get_object()
            if whole["/Subtype"] == "/Type3":
                continue
            described = own["/FontDescriptor"].get_object()
            if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(described):
                missing.add(str(whole["/BaseFont"]))
    return missing


def test_english_pages_are_english() -> None:
    reader = PdfReader(io.BytesIO(page_pdf([Chart("By day", figure())], told("en"), Reader("en"))))
    text = words_of(reader.pages[0])
    assert "Period: 2026-10-01" in text
    assert "Orders paid by their expiry" in text


def test_every_download_of_a_chart_and_a_page_has_bytes() -> None:
    files = figure_files(Reader("zh"), figure(), told())
    files += page_files(Reader("zh"), [Chart("每日转化", figure())], told())
    begins = {"png": b"\x89PNG", "svg": b"<svg", "html": b"<!doctype html>", "pdf": b"%PDF-"}
    for item in files:
        assert item.make().startswith(begins[item.format.suffix])
        assert item.file_name == f"mdash_conversion_2026-10-01_2026-10-31.{item.format.suffix}"


def test_one_browser_draws_for_all() -> None:
    figure_svg(figure(), told(), Reader())
    first = chromium.press().pid
    figure_png(figure(), told(), Reader())
    assert first is not None
    assert chromium.press().pid == first


async def _answer(_: Kaleido) -> str:
    return "done"


async def _sleep(_: Kaleido) -> None:
    await asyncio.sleep(60)


def test_a_slow_browser_is_ended_and_replaced() -> None:
    press = chromium.Press(limit_s=20)
    assert press.run(_answer) == "done"
    pid = press.pid
    press._limit_s = 0.5
    try:
        with pytest.raises(MdashError, match="did not answer"):
            press.run(_sleep)
        assert pid is not None
        assert not psutil.pid_exists(pid)
        press._limit_s = 20
        assert press.run(_answer) == "done"
        replaced = press.pid
        assert replaced not in (None, pid)
        os.killpg(replaced, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(replaced)] if psutil.pid_exists(replaced) else [], 5)
        assert press.run(_answer) == "done"
    finally:
        press.close()
    assert press.pid is None


def test_a_frozen_browser_does_not_freeze_the_dashboard() -> None:
    press = chromium.Press(limit_s=20)

    async def draw(chrome: Kaleido) -> bytes:
        frozen = chrome.subprocess.pid
        os.killpg(frozen, signal.SIGSTOP)
        async with chromium.page(chrome, "<p>x</p>") as tab:
            return await chromium.printed(tab, "<p></p>")

    assert press.run(_answer) == "done"
    pid = press.pid
    press._limit_s = 1
    began = time.monotonic()
    try:
        with pytest.raises(MdashError, match="did not answer"):
            press.run(draw)
        assert time.monotonic() - began < 15
        assert pid is not None
        assert not psutil.pid_exists(pid)
    finally:
        press.close()


def test_readers_who_draw_at_once_all_get_theirs() -> None:
    names = [f"第{number}家店" for number in range(4)]

    def draw(name: str) -> str:
        return texts(figure_svg(figure().update_traces(name=name), told(), Reader("zh")))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(draw, names))
    assert [[name in text for name in names].index(True) for text in found] == [0, 1, 2, 3]


def test_missing_chinese_fonts_are_said_and_not_drawn_as_boxes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "fonts.conf").write_text(
        f"<fontconfig><dir>{tmp_path}</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>"
    )
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "fonts.conf"))
    press = chromium.Press(limit_s=30)
    try:
        with pytest.raises(ConfigurationError, match="fonts-noto-cjk"):
            press.run(lambda chrome: _shown(chrome, "<p>支付宝</p>"))
        assert press.run(lambda chrome: _shown(chrome, "<p>Alipay</p>")).startswith(b"%PDF")
    finally:
        press.close()


async def _shown(chrome: Kaleido, html: str) -> bytes:
    async with chromium.page(chrome, html) as tab:
        return await chromium.printed(tab, "<p></p>")


def test_an_idle_browser_goes_away() -> None:
    press = chromium.Press(limit_s=20, idle_s=0.2)
    try:
        assert press.run(_answer) == "done"
        for _ in range(100):
            if press.pid is None:
                break
            time.sleep(0.1)
        assert press.pid is None
    finally:
        press.close()


_DRAW_AND_WAIT = """
import plotly.graph_objects as go, sys, time
from dashboard.exports import browser
async def ready(chrome): return 1
browser.press().run(ready)
print(browser.press().pid, flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.mark.parametrize(("wait", "end"), [("0", None), ("60", signal.SIGKILL)])
def test_a_process_that_ends_leaves_no_browser(wait: str, end: int | None) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", _DRAW_AND_WAIT, wait], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout
    with started.stdout as out:
        pid = int(out.readline())
    if end:
        started.send_signal(end)
    started.wait(30)
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"the browser {pid} still runs")


def test_without_a_browser_one_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chromium")
    press = chromium.Press()
    try:
        with pytest.raises(ConfigurationError, match="apt install chromium"):
            press.run(_answer)
    finally:
        press.close()

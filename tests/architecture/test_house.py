"""The house's rules: who may import whom, and what a room may hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for room in ("loaders", "dashboard", "sample_data") for path in (ROOT / room).rglob("*.py")
)


@cache
def imported(path: Path) -> frozenset[str]:
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")


def who_imports(prefix: str) -> set[str]:
    return {
        room(path)
        for path in SOURCES
        if any(name == prefix or name.startswith(prefix + ".") for name in imported(path))
    }


def test_loaders_never_import_the_dashboard_or_streamlit() -> None:
    for forbidden in ("streamlit", "dashboard", "plotly", "pandas"):
        assert not {name for name in who_imports(forbidden) if name.startswith("loaders")}


def test_loaders_never_have_arrow_import_pandas() -> None:
    """Each of these does so wherever it is installed: a second and 60 MB for every load."""
    costly = ("pa.array(", "pa.scalar(", ".to_numpy(", ".to_pandas(")
    for path in (ROOT / "loaders").rglob("*.py"):
        code = path.read_text("utf-8")
        assert not [name for name in costly if name in code], path


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("duckdb", ("loaders.store", "loaders.settlement", "loaders.bill_blocks")),
        ("cryptography", ("loaders.channels", "sample_data.gateway", "dashboard.identity")),
        ("argon2", ("dashboard.identity.passwords",)),
        ("pyotp", ("dashboard.identity.second_factor",)),
        ("plotly", ("dashboard.charts", "dashboard.exports")),
        ("kaleido", ("dashboard.exports",)),
        ("choreographer", ("dashboard.exports.browser",)),
        ("xlsxwriter", ("dashboard.exports.workbooks",)),
        ("streamlit", ("dashboard.app", "dashboard.server", "dashboard.oidc", "dashboard.screens")),
        ("sample_data", ("sample_data", "dashboard.demo", "dashboard.sandbox")),
        ("sqlalchemy", ("dashboard.operations", "dashboard.identity")),
        ("psycopg", ("dashboard.operations",)),
        (
            "httpx",
            ("loaders.transport", "dashboard.operations.delivery", "sample_data.gateway.notifier",
             "sample_data.gateway.wechat.notifier"),
        ),
        ("smtplib", ("dashboard.operations.delivery",)),
        ("prometheus_client", ("loaders.meters",)),
        ("uvicorn", ("dashboard.receiving", "sample_data.gateway")),
        ("scipy", ("dashboard.metrics.bgnbd", "dashboard.metrics.survival")),
    ],
)
def test_only_its_rooms_import_a_library(library: str, rooms: tuple[str, ...]) -> None:
    assert {name for name in who_imports(library) if not name.startswith(rooms)} == set()


def test_the_store_knows_no_channel_and_channels_know_no_outside() -> None:
    assert not {name for name in who_imports("loaders.channels") if ".store." in name}
    outside = ("duckdb", "sqlite3", "httpx", "logging", "pathlib", "os", "time", "socket")
    for library in outside:
        inside = {name for name in who_imports(library) if name.startswith("loaders.channels.")}
        assert inside == set(), library


def test_the_receiver_touches_no_database() -> None:
    code = (
        "import sys, loaders.receiver\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in"
        " ('duckdb', 'sqlite3', 'pyarrow', 'streamlit') or name.startswith('loaders.store')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_records_and_errors_have_no_io_and_no_clock() -> None:
    for name in ("records", "exchange", "errors"):
        found = imported(ROOT / "loaders" / f"{name}.py")
        assert not found & {"os", "pathlib", "time", "io", "logging"}


def test_a_channel_never_imports_another() -> None:
    for path in (ROOT / "loaders" / "channels").glob("*/*.py"):
        own = path.parent.name
        others = {
            name.split(".")[2]
            for name in imported(path)
            if name.startswith("loaders.channels.") and name.count(".") >= 2
        } - {own, "protocol"}
        assert others == set(), path


def screens() -> list[Path]:
    return sorted((ROOT / "dashboard" / "screens").glob("*.py"))


@pytest.mark.parametrize("path", screens(), ids=lambda path: path.stem)
def test_a_screen_holds_no_sql_no_arithmetic_and_is_short(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    divisions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv)
    ]
    assert divisions == []
    strings = [
        node.value.lower()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not [item for item in strings if "select " in item and " from " in item]
    assert not imported(path) & {"duckdb", "httpx", "os"}
    if path.stem != "parts":
        assert len(text.splitlines()) <= 120


def test_no_pages_folder_and_no_standard_library_names() -> None:
    assert not (ROOT / "dashboard" / "pages").exists()
    taken = {path.stem for path in (ROOT / "dashboard").iterdir()} - {"__init__", "__pycache__"}
    assert not taken & set(sys.stdlib_module_names)


def test_help_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys\nfrom dashboard.cli import commands\n"
        "try:\n    commands(['--help'], prog_name='mdash')\nexcept SystemExit:\n    pass\n"
        "heavy = {'streamlit','pandas','plotly','pyarrow','duckdb','sqlalchemy','httpx','scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_model_says_its_grain_in_its_first_line() -> None:
    for path in (ROOT / "loaders" / "store" / "models").glob("*.sql"):
        assert path.read_text("utf-8").startswith("-- One row per "), path


def test_every_module_says_what_it_is_for() -> None:
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path

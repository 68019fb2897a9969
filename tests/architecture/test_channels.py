"""What adding a channel takes: its folder, one line of the registry, its samples and its tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from loaders.channels import CHANNELS

ROOT = Path(__file__).resolve().parents[2]
FIRST = "alipay"
"""The channel the house was built around; demo, sandbox and settings' hints speak of it."""
SPOKEN_OF = {
    "wechatpay": {"sample_data/wechat_files.py"},
    "unionpay": {"sample_data/unionpay_files.py"},
}
OWN_WORDS = "dashboard/wording/labels.py"


def sources() -> list[Path]:
    return [path for room in ("loaders", "dashboard", "sample_data")
            for path in (ROOT / room).rglob("*.py")]


def speaks_of(path: Path, name: str) -> bool:
    """True if the code itself (no comment, no docstring) names the channel or imports its folder."""
    tree = ast.parse(path.read_text("utf-8"))
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == name:
            words.add(name)
        if isinstance(node, ast.ImportFrom) and node.module:
            words |= {*node.module.split("."), *(alias.name for alias in node.names)}
    return name in words


@pytest.mark.parametrize("name", [name for name in CHANNELS if name != FIRST])
def test_a_channel_lives_in_its_folder(name: str) -> None:
    own = (f"loaders/channels/{name}/", f"sample_data/{name}", "sample_data/gateway/")
    met = {
        path.relative_to(ROOT).as_posix() for path in sources() if speaks_of(path, name)
    }
    outside = {path for path in met if not path.startswith(own)}
    assert outside - SPOKEN_OF[name] <= {"loaders/channels/__init__.py", OWN_WORDS}


@pytest.mark.parametrize("name", CHANNELS)
def test_the_registry_has_one_line_of_a_channel(name: str) -> None:
    text = (ROOT / "loaders" / "channels" / "__init__.py").read_text("utf-8")
    assert len(re.findall(rf'^    "{name}": {name}\.CHANNEL,$', text, re.MULTILINE)) == 1


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_has_samples(name: str) -> None:
    samples = {path.name for path in (ROOT / "sample_data" / name).iterdir()}
    golden = {item for item in samples if item.endswith(".golden.json")}
    assert len(golden) >= 2
    assert {item.removesuffix(".golden.json") for item in golden} == samples - golden

"""Every sentence people read has its Chinese, with the same places for values."""

from __future__ import annotations

import ast
import string
from pathlib import Path

from babel.messages.pofile import read_po

from dashboard.asking import OUTCOMES, STATUSES
from dashboard.charts.answers import WEEKDAYS
from dashboard.customer_answers import templates
from dashboard.metrics.catalogue import metrics
from dashboard.operations.audit import TROUBLES
from dashboard.operations.trail import ACTIONS
from dashboard.operations.vault import FIELDS as UNMASKED
from dashboard.reconciling import ADVICE
from dashboard.screens import audiences, buyer
from dashboard.screens.bar import COMPARISONS
from dashboard.screens.campaigns import EFFECTS
from dashboard.screens.cancel_payment import DONE, STANDS
from dashboard.screens.conversion import RATES
from dashboard.screens.open_items import LABELS
from dashboard.screens.refund_form import REASONS
from dashboard.screens.refund_progress import NEXT, TOLD
from dashboard.screens.refunds import DAYS, TITLES
from dashboard.screens.retention import GRAINS, GROUPS, MODES, SHOWN
from dashboard.screens.trade import BY, FACTS
from dashboard.wording import trades
from dashboard.wording.labels import FIELDS, RIGHT_TITLES, ROLE_TITLES, WORDS
from loaders.channels.alipay import meanings
from loaders.channels.unionpay import codes as unionpay_codes
from loaders.channels.wechatpay import meanings as wechat_meanings
from loaders.errors import MdashError

ROOT = Path(__file__).resolve().parents[2]
SPEAKERS = {
    "say", "Reject", "heading", "section", "chart", "Card", "Finding", "made", "Annotation", "_say",
}
FIRST = {"Reject": 1, "heading": 1, "section": 1, "chart": 3, "translate": 1, "_say": 1, "Annotation": 3}
ERRORS = {"MdashError", "ConfigurationError", "UnknownMetric", "RefusedInput", "BadSignature",
          "StoreBusy", "DeliveryFailed", "NoAnswer", "UnknownMessage", "Forbidden"}


def catalog() -> dict[str, str]:
    with (ROOT / "dashboard" / "wording" / "zh.po").open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file) if m.id}


def constant(node: ast.expr, names: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id)
    return None


def sentences(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = FIRST.get(name, 0)
            if name in SPEAKERS | ERRORS | {"translate"} and len(node.args) > first:
                text = constant(node.args[first], names)
                if text:
                    found.add(text)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if getattr(target, "attr", "") == "template":
                    text = constant(node.value, names)
                    if text:
                        found.add(text)
    return found


def all_sentences() -> set[str]:
    found: set[str] = set()
    for room in ("loaders", "dashboard"):
        for path in (ROOT / room).rglob("*.py"):
            found |= sentences(path)
    found |= set(FIELDS.values()) | set(WORDS.values()) | set(COMPARISONS.values()) | set(WEEKDAYS)
    found |= {f"{name} by day" for name in RATES.values()} | set(RATES.values())
    found |= wechat_meanings.sentences() | meanings.sentences() | unionpay_codes.sentences()
    found |= set(OUTCOMES.values()) | set(STATUSES.values())
    for words in (trades.STATES, trades.STEPS, trades.SAYINGS, trades.LANES, BY):
        found |= set(words.values())
    found |= templates() | set(FACTS)
    found |= {*ROLE_TITLES.values(), *RIGHT_TITLES.values()}
    found |= set(TROUBLES) | set(ACTIONS.values()) | set(UNMASKED.values())
    found |= {*REASONS, *NEXT.values(), *TOLD.values(), *DAYS.values(), *TITLES.values()}
    found |= {*GRAINS.values(), *GROUPS.values(), *SHOWN.values(), *MODES.values(), *EFFECTS.values()}
    found |= {*audiences.CARDS, *buyer.CARDS, *buyer.CONSENT.values()}
    found |= {*DONE.values(), *STANDS.values(), *LABELS.values(), *ADVICE.values()}
    for metric in metrics().values():
        found |= {metric.title, metric.definition}
    return found


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_sentence_has_its_chinese() -> None:
    known = catalog()
    missing = sorted(text for text in all_sentences() if not known.get(text))
    assert missing == []


def test_translations_keep_the_places() -> None:
    wrong = [text for text, chinese in catalog().items() if places(text) != places(chinese)]
    assert wrong == []


def test_an_error_says_the_same_when_it_crosses_a_process() -> None:
    import pickle

    error = MdashError("The file {path} is empty.", path="a.csv")
    assert str(pickle.loads(pickle.dumps(error))) == "The file a.csv is empty."

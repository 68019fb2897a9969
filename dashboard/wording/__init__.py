"""Every sentence people read. English is written in the code; zh.po holds the Chinese."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files

from loaders.errors import MdashError

LANGUAGES = ("zh", "en")
Say = Callable[..., str]


@cache
def _chinese() -> dict[str, str]:
    from babel.messages.pofile import read_po

    with (files("dashboard.wording") / "zh.po").open("rb") as file:
        catalog = read_po(file)
    return {
        str(message.id): str(message.string)
        for message in catalog
        if message.id and message.string and not message.fuzzy
    }


def translate(language: str, template: str, /, **values: object) -> str:
    """The sentence of `template` in a language, its values filled in."""
    text = _chinese().get(template, template) if language == "zh" else template
    shown = {
        name: translate(language, value.template, **value.values)
        if isinstance(value, MdashError)
        else value
        for name, value in values.items()
    }
    return text.format(**shown) if shown else text


def speaker(language: str) -> Say:
    """`translate` bound to a language."""

    def say(template: str, /, **values: object) -> str:
        return translate(language, template, **values)

    return say

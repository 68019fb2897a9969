"""The names of the sections in the sidebar's list of screens."""

from __future__ import annotations

import json
from collections.abc import Mapping

import streamlit as st

_ITEM = '[data-testid="stSidebarNavItems"] > li:nth-child'
_TITLE = (
    "display: block; padding: 0.9rem 0.5rem 0.25rem; font-size: 0.8rem; font-weight: 600;"
    " color: color-mix(in srgb, currentColor 72%, transparent);"
)


def name_sections(sizes: Mapping[str, int]) -> None:
    """Write each section's name above its first screen; `sizes`: how many screens each has.

    By style alone: Streamlit's own sections put paragraphs into a list, which screen readers stumble on.
    """
    rules, first = [], 1
    for name, size in sizes.items():
        title = json.dumps(name, ensure_ascii=False)
        rules.append(f"{_ITEM}({first})::before {{ content: {title}; {_TITLE} }}")
        first += size
    st.html(f"<style>{' '.join(rules)}</style>")

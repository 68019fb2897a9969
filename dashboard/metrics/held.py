"""What is kept of the buyers set right for an as-of: once for each state of the store, then held."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from functools import cache
from importlib.resources import files
from weakref import WeakKeyDictionary

from dashboard.metrics.catalogue import Asked, sql
from loaders.errors import StoreBusy
from loaders.store.histories import model, summed
from loaders.store.reader import Reader, Row

HELD_AT_ONCE = 8
_TRIES = 3
_TABLES = ("unsettled", "orders", "histories", "cells", "gaps", "nameless")
_GUARD = threading.Lock()
_HELD: WeakKeyDictionary[Reader, OrderedDict[str, None]] = WeakKeyDictionary()


@cache
def restated_sql() -> str:
    """CTEs of the signed rows of buyers' orders that take back the refunds after $as_of."""
    orders = (files("loaders.store") / "models" / "buyer_orders.sql").read_text("utf-8")
    return sql("buyer_restated").replace("{model}", orders)


@cache
def _statements() -> tuple[str, ...]:
    parts = {
        "restated": restated_sql(), "orders_now": summed("known where not is_restated"),
        "orders_known": summed("known"),
    }
    for name in ("histories", "cells", "gaps"):
        for when, orders in (("then", "memory.orders_{held}"), ("now", "orders_now")):
            parts[f"{name}_{when}"] = model(f"buyer_{name}").replace("{orders}", orders)
    text = sql("buyer_held")
    for place, part in parts.items():
        text = text.replace("{" + place + "}", part)
    return tuple(text.rstrip().removesuffix(";").split(";\n"))


def buyer_rows(asked: Asked, text: str, **parameters: object) -> list[Row]:
    """Rows of a query of what is kept of the buyers, as of the asked; `{held}` names what is held.

    The query is run again if the store moved meanwhile, so that both are of one state.
    """
    for _ in range(_TRIES):
        state = asked.reader.state()
        rows = asked.rows(text.replace("{held}", _held(asked, state)), **parameters)
        if asked.reader.state() == state:
            return rows
    raise StoreBusy("The store is being written to without a pause. Ask again in a minute.")


def _held(asked: Asked, state: int) -> str:
    name = f"{state}_{asked.as_of:%Y%m%d%H%M%S%f}"
    with _GUARD:
        held = _HELD.setdefault(asked.reader, OrderedDict())
        if name not in held:
            asked.reader.hold([_as_of(part, asked.as_of, name) for part in _statements()])
        held[name] = None
        held.move_to_end(name)
        while len(held) > HELD_AT_ONCE:
            oldest, _ = held.popitem(last=False)
            asked.reader.hold([f"drop table memory.{table}_{oldest}" for table in _TABLES])
    return name


def _as_of(text: str, as_of: datetime, name: str) -> str:
    """With the instant as a literal, files that end before it are not opened."""
    return text.replace("$as_of::timestamp", f"timestamp '{as_of}'").replace("{held}", name)

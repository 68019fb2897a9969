"""The comparison of both sides of the money, made once for each period and state of the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from weakref import WeakKeyDictionary

from dashboard.metrics.question import Question
from loaders.store.reader import Reader
from loaders.store.reconciliation import compared

SETTLED = ("matched", "cross_day")
"""Classes that ask nothing of anybody."""
WAITING = "bill_missing"
"""The class that asks for a file, and nothing about the item itself."""
HELD_AT_ONCE = 8
_GUARD = threading.Lock()
_HELD: WeakKeyDictionary[Reader, OrderedDict[str, None]] = WeakKeyDictionary()
_HARMLESS = ", ".join(f"'{name}'" for name in (*SETTLED, WAITING))
_KEEP = f"""
create table memory.{{name}} as
with found as materialized ({{items}})
select *, 1 as items
from found
where class not in ({_HARMLESS})
union all by name
select
    bill, class, channel, account, day, our_day, bill_day, is_compared,
    sum(our_fen)::bigint as our_fen,
    sum(bill_fen)::bigint as bill_fen,
    sum(amount_fen)::bigint as amount_fen,
    count(*) as items
from found
where class in ({_HARMLESS})
group by all
"""


def items(reader: Reader, question: Question) -> str:
    """A query of the items of a period: those that ask for something one by one, others summed.

    `items` says how many a row stands for. What is held is small, whatever the period's trades.
    """
    first, last = question.first_day, question.last_day
    name = f"compared_{reader.state()}_{first:%Y%m%d}_{last:%Y%m%d}"
    with _GUARD:
        held = _HELD.setdefault(reader, OrderedDict())
        if name not in held:
            reader.hold([_KEEP.format(name=name, items=compared(first, last))])
        held[name] = None
        held.move_to_end(name)
        while len(held) > HELD_AT_ONCE:
            oldest, _ = held.popitem(last=False)
            reader.hold([f"drop table memory.{oldest}"])
    return f"select * from memory.{name}"

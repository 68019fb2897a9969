"""Forgetting a buyer in the lake: another name that leads nowhere, and none for what comes later.

What is kept of an erased buyer is a keyed hash of the pseudonym, by which later rows are known that
must not bear it. The name put in its place is random, so nothing leads from one to the other; it is
one name for one buyer, so every count of buyers and every cohort stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from secrets import token_hex

from loaders.privacy import home_key
from loaders.settings import Settings
from loaders.store.connection import ID_BUCKETS
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse

BUYERS = {"deliveries": "payer", "checkout_log": "buyer"}
"""Raw tables with the column in which a buyer's pseudonym stands."""
_KEY = "id_hash(channel || ':' || ?)::ubigint"


def known(reader: Reader, pseudonyms: Iterable[str]) -> list[str]:
    """Those of these pseudonyms that the lake holds, and others that are surely the same buyer's.

    A shop's own buyer id and the payer's at the channel are two pseudonyms of one buyer. A payer of a
    shop's buyer is taken with them unless orders of other buyers were paid by the same one; a shop's
    buyer is taken with a payer only if neither of them has another in that channel.
    """
    wanted = list(pseudonyms)
    if reader.is_empty or not wanted:
        return []
    payers, shops = (set(_held(reader, table, wanted)) for table in BUYERS)
    pairs = _pairs(reader, "payer", payers)
    sole = [pair for pair in pairs if _buyers(pairs, {pair[1]}) == {pair[2]}]
    back = _pairs(reader, "buyer", {buyer for _, _, buyer in sole})
    shops |= {
        buyer for channel, payer, buyer in sole
        if {item[1] for item in back if item[::2] == (channel, buyer)} == {payer}
    }
    paying = {payer for _, payer, _ in _pairs(reader, "buyer", shops)}
    pairs = _pairs(reader, "payer", paying)
    return sorted(payers | shops | {one for one in paying if _buyers(pairs, {one}) <= shops})


def orders_of(reader: Reader, buyers: Sequence[str]) -> int:
    """In how many orders these pseudonyms stand."""
    return int(reader.one(
        "select count(*) as orders from (select channel, order_no from lake.deliveries where payer in"
        " (select unnest($buyers)) union select channel, order_no from lake.checkout_log where buyer"
        " in (select unnest($buyers)))", {"buyers": list(buyers)},
    )["orders"])


def _held(reader: Reader, table: str, wanted: Sequence[str]) -> list[str]:
    column = BUYERS[table]
    rows = reader.rows(
        f"select distinct {column} as buyer from lake.{table} where {column} in"
        " (select unnest($wanted))", {"wanted": list(wanted)},
    )
    return [row["buyer"] for row in rows]


def _pairs(reader: Reader, column: str, wanted: Iterable[str]) -> set[tuple[str, str, str]]:
    """Channel, payer and shop's buyer of the orders in which one of these stands."""
    rows = reader.rows(
        "select distinct message.channel, message.payer, log.buyer from lake.deliveries as message"
        " inner join lake.checkout_log as log on message.channel = log.channel and message.order_no ="
        " log.order_no where message.payer is not null and log.buyer is not null and message.verdict"
        f" = 'valid' and {column} in (select unnest($wanted))", {"wanted": list(wanted)},
    )
    return {(row["channel"], row["payer"], row["buyer"]) for row in rows}


def _buyers(pairs: Iterable[tuple[str, str, str]], payers: set[str]) -> set[str]:
    return {buyer for _, payer, buyer in pairs if payer in payers}


def is_erased(reader: Reader, pseudonym: str) -> bool:
    """True if this buyer was erased."""
    if reader.is_empty or not reader.has_table("erased"):
        return False
    mark = _mark(reader.settings, "$buyer")
    query = f"select 1 from lake.erased where mark = {mark}"
    return bool(reader.rows(query, {"buyer": pseudonym}))


def erase(warehouse: Warehouse, buyers: Sequence[str]) -> int:
    """Forget these buyers in one transaction; returns how many trades were theirs."""
    names = {buyer: "x" + token_hex(10) for buyer in buyers}
    run = warehouse.execute
    with warehouse.transaction("erase a buyer"):
        trades = 0
        for buyer, name in names.items():
            found = run("select count(*) from lake.trade where buyer = ?", [buyer]).fetchone()
            trades += int(found[0]) if found else 0
            for table, column in BUYERS.items():
                run(f"update lake.{table} set {column} = ? where {column} = ?", [name, buyer])
            run("update lake.trade set buyer = ? where buyer = ?", [name, buyer])
            run(f"update lake.buyer_orders set buyer = ?, buyer_key = {_KEY} where buyer = ?",
                [name, name, buyer])
            run(f"update lake.buyer_items set buyer_key = {_KEY} where buyer_key = {_KEY}",
                [name, buyer])
            key = "id_hash(begun_order.channel || ':' || ?)::ubigint"
            run(
                f"update lake.buyer_histories set buyer_key = {key} where buyer_key = {key}",
                [name, buyer],
            )
            run(
                "insert into lake.id_days select id_bucket(id_hash(?)), id_hash(?), home_day from"
                f" lake.id_days where bucket = id_hash(?) % {ID_BUCKETS} and id_hash = id_hash(?)",
                [name, name, buyer, buyer],
            )
            run(
                f"delete from lake.id_days where bucket = id_hash(?) % {ID_BUCKETS}"
                " and id_hash = id_hash(?)", [buyer, buyer],
            )
            run(f"insert into lake.erased select {_mark(warehouse.settings, '?')}", [buyer])
    return trades


def withhold(warehouse: Warehouse, table: str, column: str) -> None:
    """Take the pseudonym off rows of erased buyers in a table of rows to be stored."""
    if warehouse.execute("select 1 from lake.erased limit 1").fetchone() is None:
        return
    warehouse.execute(
        f"update {table} set {column} = null where {column} is not null and"
        f" {_mark(warehouse.settings, column)} in (select mark from lake.erased)"
    )


def _mark(settings: Settings, buyer: str) -> str:
    """The SQL of a buyer's keyed hash."""
    key = home_key(settings.home, "erasure.key").hex()
    return f"sha256('{key}' || sha256('{key}' || {buyer}))"

"""Saved views: a page and its filters under a name, for oneself or for everybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Row, delete, func, insert, or_, select, update

from dashboard.operations.ledger import Ledger, now
from dashboard.operations.tables import SAVED_VIEWS
from loaders.errors import RefusedInput

LOCAL = "local"
"""The owner while there are no accounts."""
MAX_NAME, MAX_QUERY, MAX_VIEWS = 80, 2_000, 500
_PAGE = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class View:
    """A saved view. `query` is a URL's query string without its question mark."""

    id: int
    name: str
    owner: str
    page: str
    query: str
    is_shared: bool
    created_at: datetime

    @property
    def link(self) -> str:
        """The view's place below the dashboard's address."""
        return f"/{self.page}?{self.query}" if self.query else f"/{self.page}"


def save(
    ledger: Ledger, name: str, page: str, query: str, *, owner: str = LOCAL, is_shared: bool = False
) -> View:
    """Save a view; one of the owner's with that name is replaced. Raises RefusedInput."""
    values = {
        "name": named(name),
        "owner": owner,
        "page": _page(page),
        "query": _query(query),
        "is_shared": is_shared,
        "created_at": now(),
    }
    mine = SAVED_VIEWS.c.owner == owner
    with ledger.transaction() as connection:
        found = connection.execute(
            update(SAVED_VIEWS)
            .where(mine, SAVED_VIEWS.c.name == values["name"])
            .values(values)
            .returning(SAVED_VIEWS)
        ).first()
        if found is None:
            held = connection.execute(
                select(func.count()).select_from(SAVED_VIEWS).where(mine)
            ).scalar_one()
            if held >= MAX_VIEWS:
                raise RefusedInput("You have {count} views already; delete one.", count=held)
            found = connection.execute(
                insert(SAVED_VIEWS).values(values).returning(SAVED_VIEWS)
            ).one()
    return _view(found)


def views(ledger: Ledger, owner: str = LOCAL) -> list[View]:
    """The owner's views and those that others share, by name."""
    wanted = or_(SAVED_VIEWS.c.owner == owner, SAVED_VIEWS.c.is_shared)
    with ledger.reading() as connection:
        rows = connection.execute(select(SAVED_VIEWS).where(wanted)).all()
    return sorted(map(_view, rows), key=lambda view: (view.owner != owner, view.name))


def rename(ledger: Ledger, view_id: int, name: str, *, owner: str = LOCAL) -> View:
    """Give one of the owner's views another name. Raises RefusedInput."""
    wanted = named(name)
    with ledger.transaction() as connection:
        taken = connection.execute(
            select(SAVED_VIEWS.c.id).where(
                SAVED_VIEWS.c.owner == owner, SAVED_VIEWS.c.name == wanted, SAVED_VIEWS.c.id != view_id
            )
        ).first()
        if taken:
            raise RefusedInput("You have a view of this name already.")
        row = connection.execute(
            update(SAVED_VIEWS)
            .where(SAVED_VIEWS.c.id == view_id, SAVED_VIEWS.c.owner == owner)
            .values(name=wanted)
            .returning(SAVED_VIEWS)
        ).first()
    if row is None:
        raise RefusedInput("There is no such view of yours.")
    return _view(row)


def remove(
    ledger: Ledger, view_id: int, *, owner: str = LOCAL, or_shared: bool = False
) -> None:
    """Delete one of the owner's views, or any that is shared. Raises RefusedInput."""
    reach = (SAVED_VIEWS.c.owner == owner) | (SAVED_VIEWS.c.is_shared & or_shared)
    with ledger.transaction() as connection:
        done = connection.execute(delete(SAVED_VIEWS).where(SAVED_VIEWS.c.id == view_id, reach))
    if done.rowcount == 0:
        raise RefusedInput("There is no such view of yours.")


def named(name: str) -> str:
    """A name as it is kept. Raises RefusedInput."""
    text = " ".join(name.split())
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable():
        raise RefusedInput("A name has 1 to {count} characters.", count=MAX_NAME)
    return text


def _page(page: str) -> str:
    if not _PAGE.fullmatch(page):
        raise RefusedInput("{page} is not a page of the dashboard.", page=repr(page[:40]))
    return page


def _query(query: str) -> str:
    """The query string, parsed and written again, so that it can only ever be a query string."""
    text = query.removeprefix("?")
    if len(text) > MAX_QUERY:
        raise RefusedInput("The filters of this view are longer than {count} characters.",
                           count=MAX_QUERY)
    return urlencode(parse_qsl(text, keep_blank_values=True, max_num_fields=100))


def _view(row: Row[tuple[object, ...]]) -> View:
    return View(**row._mapping)

"""A lake is made whole or finished later, and has the views of this version."""

from __future__ import annotations

from pathlib import Path

from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse


def test_a_lake_left_half_made_is_finished(home: Path) -> None:
    settings = load_settings(home)
    with Warehouse(settings, retry_ladders()) as warehouse:
        warehouse.execute("delete from lake.writer")
        warehouse.execute("insert into lake.loads (file) values (null)")
    assert Reader(settings, retry_ladders()).is_empty
    with Warehouse(settings, retry_ladders()) as warehouse:
        found = warehouse.execute("select (select count(*) from lake.loads), turn from lake.writer")
        assert found.fetchall() == [(0, 0)]
    assert not Reader(settings, retry_ladders()).is_empty


def test_views_of_another_version_are_made_anew(home: Path) -> None:
    settings = load_settings(home)
    with Warehouse(settings, retry_ladders()) as warehouse:
        warehouse.execute("create or replace view lake.trades as select 1 as other")
        warehouse.execute("comment on table lake.writer is 'views of another version'")
    with Warehouse(settings, retry_ladders()) as warehouse:
        names = [row[0] for row in warehouse.execute("describe lake.trades").fetchall()]
    assert "order_no" in names

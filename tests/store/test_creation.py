"""A lake is made whole or finished later, and has the views of this version."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from loaders.channels import retry_ladders
from loaders.settings import load_settings
from loaders.store import connection, creation
from loaders.store.connection import connect
from loaders.store.reader import Reader
from loaders.store.warehouse import Warehouse, sql_file, statements


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


def test_a_catalog_that_is_still_without_tables_is_an_empty_lake(
    fresh_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "mdash.toml").write_bytes((fresh_home / "mdash.toml").read_bytes())
    connection._make_catalog(tmp_path / "catalog.sqlite")
    settings = load_settings(tmp_path)
    assert Reader(settings, retry_ladders()).is_empty
    with Warehouse(settings, retry_ladders()):
        assert not Reader(settings, retry_ladders()).is_empty


def test_who_finds_it_finished_by_another_machine_leaves_no_row(home: Path) -> None:
    settings = load_settings(home)
    tables = statements(sql_file("schema", "tables"))
    with (
        connect(settings, retry_ladders(), read_only=False) as first,
        connect(settings, retry_ladders(), read_only=False) as second,
    ):
        first.execute("update lake.writer set turn = null")
        assert not creation.is_made(second)
        creation.make(first, tables)
        creation.make(second, tables)
        found = first.execute("select (select count(*) from lake.loads), turn from lake.writer")
        assert found.fetchall() == [(0, 0)]


def test_of_two_machines_that_finish_it_at_once_one_fails_whole(home: Path) -> None:
    settings = load_settings(home)
    with (
        connect(settings, retry_ladders(), read_only=False) as first,
        connect(settings, retry_ladders(), read_only=False) as second,
    ):
        first.execute("update lake.writer set turn = null")
        creation._begin(second)
        second.execute("insert into lake.loads (file) values (null)")
        creation.make(first, statements(sql_file("schema", "tables")))
        with pytest.raises(duckdb.TransactionException):
            second.execute("commit")
        assert first.execute("select count(*) from lake.loads").fetchall() == [(0,)]


def test_views_of_another_version_are_made_anew(home: Path) -> None:
    settings = load_settings(home)
    with Warehouse(settings, retry_ladders()) as warehouse:
        warehouse.execute("create or replace view lake.trades as select 1 as other")
        warehouse.execute("comment on table lake.writer is 'views of another version'")
    with Warehouse(settings, retry_ladders()) as warehouse:
        names = [row[0] for row in warehouse.execute("describe lake.trades").fetchall()]
    assert "order_no" in names

"""SQL of a person's own over a log, which can read and nothing else."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lion_search.results.schema import METADATA
from lion_search.results.store import Store, StoreError

_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
"""What SQLite may do for a query: not even attach another file."""


def query(store: Store, sql: str) -> list[dict[str, Any]]:
    """The rows of a query; of columns of one name the last.

    Raises:
        StoreError: it is no SQL of this database, or would do more than read.
    """
    with store.transaction() as connection:
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection):
            raw.set_authorizer(_authorize)
        try:
            found = connection.exec_driver_sql(sql)
            if not found.returns_rows:
                raise StoreError(_REFUSED)
            return [dict(row) for row in found.mappings()]
        except (sa.exc.DatabaseError, sa.exc.ProgrammingError) as error:
            if "not authorized" in str(error.orig) or "read-only" in str(error.orig):
                raise StoreError(_REFUSED) from error
            raise StoreError(f"cannot answer this query: {' '.join(str(error.orig).split())}") from error
        finally:
            if isinstance(raw, sqlite3.Connection):
                raw.set_authorizer(None)


def tables(store: Store) -> list[dict[str, str]]:
    """The log's tables, their columns and these columns' types."""
    with store.transaction() as connection:
        return [
            {"table": table.name, "column": column["name"], "type": str(column["type"])}
            for table in METADATA.sorted_tables
            for column in _columns(connection, table.name)
        ]


_REFUSED = "a query may only read; expected one SELECT"


def _columns(connection: Connection, table: str) -> list[Any]:
    inspector = sa.inspect(connection)
    return list(inspector.get_columns(table)) if inspector.has_table(table) else []


def _authorize(action: int, *what: object) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

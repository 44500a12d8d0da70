"""SQL of a person's own over a log, which can read and nothing else."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lion_search.results.location import StoreError
from lion_search.results.schema import METADATA
from lion_search.results.store import Store

_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
"""What SQLite may do for a query: not even attach another file."""
_INSTRUCTIONS = 1_000_000
"""After so many of its own SQLite lets Python see whether there was a signal; some hundredths of a second."""


def query(store: Store, sql: str) -> list[dict[str, Any]]:
    """The rows of a query; of columns of one name the last.

    Bytes are told in hexadecimal digits.

    Raises:
        StoreError: it is no SQL of this database, or would do more than read.
        KeyboardInterrupt: Ctrl-C ended it, however long it takes.
    """
    with store.transaction() as connection:
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection):
            raw.set_authorizer(_authorize)
            raw.set_progress_handler(lambda: None, _INSTRUCTIONS)
        try:
            found = connection.exec_driver_sql(sql)
            if not found.returns_rows:
                raise StoreError(_REFUSED)
            return [{name: _told(value) for name, value in row.items()} for row in found.mappings()]
        except UnicodeEncodeError as error:
            raise StoreError(f"cannot answer this query, which is no text: {sql!a}") from error
        except (sa.exc.DatabaseError, sa.exc.ProgrammingError) as error:
            if "not authorized" in str(error.orig) or "read-only" in str(error.orig):
                raise StoreError(_REFUSED) from error
            if str(error.orig) == "interrupted":  # by what a signal raised while the database asked Python
                raise KeyboardInterrupt from error
            raise StoreError(f"cannot answer this query: {' '.join(str(error.orig).split())}") from error
        finally:
            if isinstance(raw, sqlite3.Connection):
                raw.set_authorizer(None)
                raw.set_progress_handler(None, 0)


def tables(store: Store) -> list[dict[str, str]]:
    """The log's tables, their columns and these columns' types."""
    with store.transaction() as connection:
        return [
            {"table": table.name, "column": column["name"], "type": str(column["type"])}
            for table in METADATA.sorted_tables
            for column in _columns(connection, table.name)
        ]


def _told(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes | memoryview) else value


_REFUSED = "a query may only read; expected one SELECT"


def _columns(connection: Connection, table: str) -> list[Any]:
    inspector = sa.inspect(connection)
    return list(inspector.get_columns(table)) if inspector.has_table(table) else []


def _authorize(action: int, *what: object) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

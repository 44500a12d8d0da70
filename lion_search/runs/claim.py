"""Who writes a log that is not in its run's folder: one driver, wherever it is.

In PostgreSQL a driver holds an advisory lock, which the server releases when its connection ends, and takes
it again where the server was away. Beside an SQLite file there is a file that the kernel's lock is on.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from lion_search.results.location import (
    StoreError,
    file_of,
    is_sqlite,
    make_engine,
    make_room,
    parse_url,
    shown,
)
from lion_search.runs.lock import holder, holder_of_file, lock_file

_WAIT_SECONDS = 1.0
"""How long a driver tries to get a log that another may just be letting go."""
_AWAY_SECONDS = 60.0
"""How long it tries to get it back where its connection was lost."""
_KEEPALIVE = {"tcp_keepalives_idle": 20, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
"""So that the server sees within a minute that the machine of a driver is gone."""
_TAKE = sa.text("SELECT pg_try_advisory_lock(:key)")
_HOLDER = sa.text(
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' "
    "AND granted AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = :key "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@contextmanager
def claimed(url: str | None) -> Iterator[Callable[[], None]]:
    """Makes this process the one that writes a log.

    Args:
        url: of the log; ``None`` for one in a run's folder, whose lock is enough.

    Yields:
        What is to be called before each append: it makes sure that this is still so.

    Raises:
        StoreError: another process writes it, or its server cannot be reached.
        RunFolderError: the same of an SQLite file.
    """
    parsed = None if url is None else parse_url(url)
    if parsed is None:
        yield lambda: None
    elif is_sqlite(parsed) and parsed.database:
        make_room(parsed)
        with lock_file(_lock_of(parsed), f"database {shown(parsed)}"):
            yield lambda: None
    elif parsed.get_backend_name() == "postgresql":
        with closing(_Claim(parsed)) as claim:
            claim.take(_WAIT_SECONDS)
            yield claim.renew
    else:
        yield lambda: None


def writer_of(url: str) -> str | None:
    """Who writes a log at this moment, if anyone does and its database tells.

    Raises:
        StoreError: its database cannot be read.
        RunFolderError: its lock cannot be looked at.
    """
    parsed = parse_url(url)
    if is_sqlite(parsed):
        holder = holder_of_file(_lock_of(parsed), shown(parsed))
        return None if holder is None else str(holder)
    if parsed.get_backend_name() != "postgresql":
        return None
    with closing(_Claim(parsed)) as claim:
        return claim.holder()


def driver_of(run: Path | str) -> str | None:
    """Who drives a run at this moment, if anyone does.

    Args:
        run: its folder, or the URL of its log.

    Raises:
        StoreError: its database cannot be read.
        RunFolderError: its lock cannot be looked at.
    """
    if isinstance(run, str):
        return writer_of(run)
    found = holder(run)
    return None if found is None else str(found)


def _lock_of(url: URL) -> Path:
    return Path(f"{file_of(url)}.lock")


class _Claim:
    """An advisory lock for a log of a PostgreSQL server, on a connection of its own."""

    def __init__(self, url: URL) -> None:
        me = f"lion-search, process {os.getpid()} on {socket.gethostname()}"
        self._where = shown(url)
        self._key = _key(url)
        self._engine = make_engine(
            url.update_query_dict({"application_name": me[:63]}),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
        )
        self._connection: Connection | None = None

    def take(self, patience_seconds: float) -> None:
        """Gets the lock; waits that long for another to let it go, and for the server if it had the lock."""
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                if self._try():
                    return
                refused = f"database {self._where} is written by {self.holder() or 'another process'}"
            except SQLAlchemyError as error:
                refused = self._told(error)
                if self._connection is None:
                    raise StoreError(refused) from error
            if time.monotonic() > deadline:
                raise StoreError(refused)
            time.sleep(0.1)

    def renew(self) -> None:
        """Gets the lock again, if the connection that held it is gone."""
        assert self._connection is not None
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError:
            self.take(_AWAY_SECONDS)

    def holder(self) -> str | None:
        """Who has the lock."""
        try:
            with self._engine.connect() as connection:
                found = connection.scalar(_HOLDER, {"key": self._key})
        except SQLAlchemyError as error:
            raise StoreError(self._told(error)) from error
        return None if found is None else str(found)

    def close(self) -> None:
        """Lets the log go."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
        self._engine.dispose()

    def _told(self, error: SQLAlchemyError) -> str:
        return f"database {self._where}: {' '.join(str(getattr(error, 'orig', None) or error).split())}"

    def _try(self) -> bool:
        connection = self._engine.connect()
        if not connection.scalar(_TAKE, {"key": self._key}):
            connection.close()
            return False
        for name, seconds in _KEEPALIVE.items():
            connection.exec_driver_sql(f"SET {name} = {seconds}")
        self._connection = connection
        return True


def _key(url: URL) -> int:
    """The lock's number: by the study, or by what else tells logs in one database apart."""
    told = repr((url.query.get("study"), url.query.get("options")))
    return int.from_bytes(hashlib.sha256(f"lion-search {told}".encode()).digest()[:8], signed=True)

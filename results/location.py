"""Where logs are: database URLs, and the studies that share one database.

A database holds one log, or several as *studies*: ``study=NAME`` in a URL's query names one of them. In
PostgreSQL a study is a schema; an SQLite URL with a study names a folder, in which each study is a file. The
islands of a study are logs of their own, ``NAME.1`` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from lion_search.dsl.errors import LionSearchError
from lion_search.results.schema import RUN

_WRITER_SECONDS, _READER_SECONDS = 30.0, 5.0
"""How long a process waits for another's lock on an SQLite file."""
_LIBPQ = {"connect_timeout": 10, "keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3}
"""In seconds, unless the URL says otherwise: how long one try to reach a PostgreSQL server takes, and that a
connection which a network dropped is known to be lost within a minute."""
_STUDY = "study"
_NAME = r"[A-Za-z0-9_-]{1,50}"
STUDY_NAME = rf"^{_NAME}$"
"""What a study may be called; PostgreSQL would cut a longer name without a word."""


class StoreError(LionSearchError):
    """A database that cannot be opened, read or written; the message names it and says why."""


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def absolute_url(url: str) -> str:
    """The URL, with the path of an SQLite file made absolute, so that it holds in every folder.

    Raises:
        StoreError: it is no database URL.
    """
    parsed = parse_url(url)
    if is_sqlite(parsed) and parsed.database:
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return parsed.render_as_string(hide_password=False)


def parse_url(url: str | Path) -> URL:
    """A URL's parts; a path is that of an SQLite file.

    Raises:
        StoreError: it is no database URL, or names a study that none can be called.
    """
    try:
        parsed = URL.create("sqlite", database=str(url)) if isinstance(url, Path) else make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            f"not a database URL: {url!r}; expected one such as sqlite:///path/to/log.db"
        ) from error
    return _checked(parsed)


def _checked(url: URL) -> URL:
    study = _study(url)
    if study is not None and not re.fullmatch(rf"{_NAME}(\.\d{{1,9}})?", study):
        raise StoreError(
            f"database {shown(url)}: no study can be called {study!r}; expected at most 50 letters, "
            "digits, _ and -, and for an island a point and its number"
        )
    return url


def shown(url: URL) -> str:
    """The database's name for messages; bytes of a file's name that are no text are written as escapes."""
    if url.database:
        url = url.set(database=url.database.encode(errors="backslashreplace").decode())
    return url.render_as_string(hide_password=True)


def is_sqlite(url: URL) -> bool:
    """Whether it is an SQLite file, or a folder of them."""
    return url.get_backend_name() == "sqlite"


# Studies.


def with_study(url: str, study: str) -> str:
    """The URL of a study in a database.

    Raises:
        StoreError: it is no database URL, or no study can be called that.
    """
    named = make_url(absolute_url(url)).difference_update_query([_STUDY]).update_query_dict({_STUDY: study})
    return _checked(named).render_as_string(hide_password=False)


def study_of(url: str) -> str | None:
    """The study that a URL names, with its island if it is one; ``None`` for a log that is alone.

    Raises:
        StoreError: it is no database URL.
    """
    return _study(parse_url(url))


def studies(url: str) -> list[str]:
    """The studies in a database, each island for itself, in the order of names and numbers.

    Raises:
        StoreError: the database cannot be read.
    """
    parsed = parse_url(url)
    if is_sqlite(parsed):
        found = [path.stem for path in Path(parsed.database or "").glob("*.db")]
    else:
        found = _ask_server(parsed, _schemas)
    return sorted(filter(re.compile(rf"{_NAME}(\.\d+)?").fullmatch, found), key=_in_order)


def islands(url: str) -> list[str]:
    """The URLs of all islands of the study that a URL names, by their numbers; none if it has none.

    Raises:
        StoreError: the database cannot be read.
    """
    study = study_of(url)
    if study is None:
        return []
    own = re.compile(rf"{re.escape(study.partition('.')[0])}\.\d+")
    return [with_study(url, name) for name in studies(url) if own.fullmatch(name)]


def _in_order(study: str) -> tuple[str, int]:
    name, _, number = study.partition(".")
    return name, int(number or 0)


def _study(url: URL) -> str | None:
    found = url.query.get(_STUDY)
    return found if found is None or isinstance(found, str) else ",".join(found)


def _alone(url: URL) -> URL:
    """The URL as its database's driver knows it."""
    return url.difference_update_query([_STUDY])


def file_of(url: URL) -> str:
    """The file of an SQLite log."""
    assert url.database is not None
    study = _study(url)
    return url.database if study is None else str(Path(url.database) / f"{study}.db")


def make_room(url: URL) -> None:
    """Makes what a study is in, its schema or its folder, where it is not there.

    Raises:
        StoreError: it cannot be made.
    """
    study = _study(url)
    if study is None or (is_sqlite(url) and not url.database):
        return
    if not is_sqlite(url):
        _ask_server(url, partial(_make_schema, study))
        return
    try:
        Path(file_of(url)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"database {shown(url)}: with a study it names a folder of SQLite files: {error.strerror}"
        ) from error


def _make_schema(name: str, connection: Connection) -> None:
    """Makes a schema; one that is there may be somebody else's, who lets this user write into it."""
    if not sa.inspect(connection).has_schema(name):
        connection.execute(sa.schema.CreateSchema(name))


def _schemas(connection: Connection) -> list[str]:
    """The schemas that hold a log."""
    query = sa.text("SELECT table_schema FROM information_schema.tables WHERE table_name = :name")
    return list(connection.scalars(query, {"name": RUN.name}))


def _ask_server(url: URL, ask: Callable[[Connection], Any]) -> Any:
    engine = make_engine(_alone(url), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            return ask(connection)
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise StoreError(f"database {shown(url)}: {reason}") from error


# Engines.


def make_engine(url: URL, *, is_reader: bool = False, **options: Any) -> Engine:
    """Connects to a database, once it is used.

    Args:
        url: of the log.
        is_reader: whether nothing is to be written.
        options: of SQLAlchemy, for a server.

    Raises:
        StoreError: it is no database that this program can use.
    """
    if is_sqlite(url) and not url.database:
        raise StoreError(f"database {shown(url)} would be in memory only; expected sqlite:///path/to/log.db")
    try:
        return _sqlite_engine(url, is_reader) if is_sqlite(url) else _server_engine(url, is_reader, options)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        hint = "; install lion-search[postgres]" if "psycopg" in str(error) else ""
        raise StoreError(f"database {shown(url)}: {error}{hint}") from error


def _sqlite_engine(url: URL, is_reader: bool) -> Engine:
    url = _alone(url.set(database=file_of(url)))
    if is_reader:
        uri = f"file:{Path(file_of(url)).resolve().as_uri().removeprefix('file://')}"
        url = url.set(database=uri, query={"mode": "ro", "uri": "true"})
        engine = sa.create_engine(url, connect_args={"timeout": _READER_SECONDS, "isolation_level": None})
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        return engine
    engine = sa.create_engine(url, connect_args={"timeout": _WRITER_SECONDS})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _server_engine(url: URL, is_reader: bool, options: dict[str, Any]) -> Engine:
    if url.drivername == "postgresql":  # for which SQLAlchemy 2.0 would import the older psycopg2
        url = url.set(drivername="postgresql+psycopg")
    study, is_postgresql = _study(url), url.get_backend_name() == "postgresql"
    if study is not None and not is_postgresql:
        raise StoreError(f"database {shown(url)}: studies are kept by PostgreSQL and SQLite only")
    if url.get_driver_name() in ("psycopg", "psycopg2"):
        url = url.set(query={name: str(value) for name, value in _LIBPQ.items()} | dict(url.query))
    # What the server closed while it was idle is opened again.
    engine = sa.create_engine(_alone(url), pool_pre_ping=True, **options)
    if study is not None:
        sa.event.listen(engine, "connect", lambda raw, _: _enter_schema(raw, study), insert=True)
    if is_reader and is_postgresql:
        return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    return engine


def _enter_schema(connection: Any, name: str) -> None:
    """Makes a schema the one that tables are in, whatever is rolled back later."""
    before, connection.autocommit = connection.autocommit, True
    cursor = connection.cursor()
    cursor.execute("SELECT set_config('search_path', quote_ident(%s), false)", (name,))
    cursor.close()
    connection.autocommit = before


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions are begun by us, so that they hold table definitions too
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()

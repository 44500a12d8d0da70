"""The log of a run in a database: one writer, any number of readers.

Everything of one :meth:`Store.append` is committed in one transaction, so that the log is always a prefix
of the run. Readers never block the writer: SQLite is opened with write-ahead logging, and PostgreSQL does
so by itself. Whatever the database, the promises are the same. A database holds one log, or several as
studies (:mod:`location`).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.location import (
    StoreError,
    file_of,
    is_sqlite,
    make_engine,
    make_room,
    parse_url,
    shown,
)
from lion_search.results.records import (
    HAS_OWN_SCORES,
    Evaluation,
    Immigrant,
    Individual,
    Outcome,
    Stage,
)
from lion_search.results.schema import (
    EVALUATIONS,
    IMMIGRANTS,
    INDIVIDUALS,
    METADATA,
    OUTCOME_INDEX,
    RUN,
    SCHEMA_VERSION,
)
from lion_search.results.strict_json import to_json

_SERVER_SECONDS = 60.0
"""How long a writer tries to reach a database server again that it has reached before."""
_RETRY_SECONDS = 0.5
_VALUES_IN_A_QUERY = 500
_INDIVIDUAL_COLUMNS = tuple(Individual.__dataclass_fields__)
_OUTCOME, _STATUS = _INDIVIDUAL_COLUMNS.index("outcome"), _INDIVIDUAL_COLUMNS.index("status")
_SCORE_COLUMNS = tuple(Score.__dataclass_fields__)
_IMMIGRANT_COLUMNS = tuple(Immigrant.__dataclass_fields__)
_EVALUATION_COLUMNS = ("stage", "subject", "individual_id", *_SCORE_COLUMNS)
_READABLE = range(2, SCHEMA_VERSION + 1)
_COLUMNS_SINCE_2 = (INDIVIDUALS.c.seen, INDIVIDUALS.c.retry_of)
"""What individuals of schema 2 lack; they are read as if these were empty."""


class ConnectionLostError(StoreError):
    """The connection to a server was cut within a transaction, of which nothing is there."""


class Store:
    """The log of one run.

    Attributes:
        where: its database, for messages.
        before_append: called before each append; may refuse it.
    """

    def __init__(self, engine: Engine, where: str, *, has_write_ahead: bool) -> None:
        """Use :meth:`create`, :meth:`open` or :meth:`reopen`."""
        self._engine = engine
        self._has_write_ahead = has_write_ahead
        self._lacking: tuple[sa.Column[Any], ...] = ()
        self._held: Connection | None = None
        self._patience = 0.0
        self.where = where
        self.before_append: Callable[[], None] = lambda: None

    @classmethod
    def create(cls, url: str | Path, run: Mapping[str, Any]) -> Self:
        """Makes a new log for writing.

        Args:
            url: a database URL, or the path of an SQLite file.
            run: facts about the run, as JSON values: config, versions, baselines.

        Raises:
            StoreError: the database cannot be opened or already holds a run.
        """
        rows = _fact_rows({"schema_version": SCHEMA_VERSION, **run})
        parsed = parse_url(url)
        make_room(parsed)
        store = cls._connect(parsed)
        with store.transaction() as connection:
            if sa.inspect(connection).has_table(RUN.name):
                raise StoreError(f"database {store.where} already holds a run; nothing was written")
            METADATA.create_all(connection)
            connection.execute(sa.insert(RUN), rows)
        store._patience = _SERVER_SECONDS  # noqa: SLF001 -- its own
        return store

    @classmethod
    def open(cls, url: str | Path) -> Self:
        """Opens an existing log for reading only.

        Raises:
            StoreError: there is no such database, it holds no run, or its schema is of another version.
        """
        parsed = parse_url(url)
        if is_sqlite(parsed) and parsed.database and not Path(file_of(parsed)).is_file():
            raise StoreError(f"no database at {file_of(parsed)}")
        store = cls._connect(parsed, is_reader=True)
        version = store.run_facts().get("schema_version")
        if version not in _READABLE:
            raise StoreError(
                f"database {store.where} has schema version {version}; "
                f"this program reads {_READABLE[0]} to {SCHEMA_VERSION}"
            )
        store._lacking = _COLUMNS_SINCE_2 if version == 2 else ()  # noqa: SLF001 -- its own
        return store

    @classmethod
    def reopen_or_create(cls, path: Path) -> Self:
        """Opens a file of trainings for writing, or makes one of no run; errors as for both."""
        return cls.reopen(path) if path.exists() else cls.create(path, {})

    @classmethod
    def reopen(cls, url: str | Path) -> Self:
        """Opens an existing log for writing; one of an earlier schema is brought up to date.

        Raises:
            StoreError: as for :meth:`open`, or nothing can be written to it.
        """
        reader = cls.open(url)  # says what is wrong without making or changing anything
        reader.close()
        store = cls._connect(parse_url(url))
        version = sa.update(RUN).where(RUN.c.key == "schema_version").values(value=to_json(SCHEMA_VERSION))
        with store.transaction() as connection:  # what is read-only or locked is found out here
            for column in reader._lacking:  # noqa: SLF001 -- its own
                connection.execute(sa.DDL(f"ALTER TABLE {INDIVIDUALS.name} ADD COLUMN {column.name} INTEGER"))
            METADATA.create_all(connection)  # tables since schema 4 and 5; nothing where they are there
            OUTCOME_INDEX.create(connection, checkfirst=True)
            connection.execute(version)
        store._patience = _SERVER_SECONDS  # noqa: SLF001 -- its own
        return store

    @classmethod
    def _connect(cls, url: URL, *, is_reader: bool = False) -> Self:
        has_write_ahead = is_sqlite(url) and not is_reader
        return cls(make_engine(url, is_reader=is_reader), shown(url), has_write_ahead=has_write_ahead)

    def transaction(self) -> AbstractContextManager[Connection]:
        """One transaction, whose database errors are :class:`StoreError`; within :meth:`moment`, that one."""
        if self._held is not None:
            return contextlib.nullcontext(self._held)
        return _Transaction(self._engine, self.where, self._patience)

    @contextlib.contextmanager
    def moment(self) -> Iterator[Connection]:
        """Whatever is read and written meanwhile is one transaction: of one moment, all of it or nothing."""
        before = self._held
        with self.transaction() as connection:
            self._held = connection
            try:
                yield connection
            finally:
                self._held = before

    def close(self) -> None:
        """Closes all connections; an SQLite file can then be read where nothing can be written."""
        if self._has_write_ahead:
            with contextlib.suppress(SQLAlchemyError, sqlite3.Error), self._engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA journal_mode = DELETE")
        self._engine.dispose()

    def append(
        self,
        individuals: Sequence[Individual],
        evaluations: Sequence[Evaluation],
        facts: Mapping[str, Any] = MappingProxyType({}),
        immigrants: Sequence[Immigrant] = (),
    ) -> None:
        """Commits records in one transaction: all of them or none.

        Where the connection to a server is cut meanwhile, it tries once more.

        Args:
            individuals: in the order of their numbers.
            evaluations: in the order of the log.
            facts: about the run, as JSON values; those of the same names are replaced.
            immigrants: what came in from other islands.

        Raises:
            StoreError: the database refused; what was committed before stays.
        """
        if not individuals and not evaluations and not facts and not immigrants:
            return
        self.before_append()
        try:
            self._append(individuals, evaluations, facts, immigrants)
        except ConnectionLostError:
            if self._held is not None:  # what else belongs to that moment is lost too
                raise
            self._append(individuals, evaluations, facts, immigrants)

    def _append(
        self,
        individuals: Sequence[Individual],
        evaluations: Sequence[Evaluation],
        facts: Mapping[str, Any],
        immigrants: Sequence[Immigrant],
    ) -> None:
        with self.transaction() as connection:
            if individuals:
                rows = [{c: getattr(i, c) for c in _INDIVIDUAL_COLUMNS} for i in individuals]
                connection.execute(sa.insert(INDIVIDUALS), rows)
            if evaluations:
                connection.execute(sa.insert(EVALUATIONS), [_evaluation_row(e) for e in evaluations])
            if immigrants:
                rows = [{c: getattr(i, c) for c in _IMMIGRANT_COLUMNS} for i in immigrants]
                connection.execute(sa.insert(IMMIGRANTS), rows)
            if facts:
                connection.execute(sa.delete(RUN).where(RUN.c.key.in_(list(facts))))
                connection.execute(sa.insert(RUN), _fact_rows(facts))

    def immigrants(self) -> list[Immigrant]:
        """All that came in from other islands, in order; none in a log of an earlier schema."""
        query = sa.select(*(IMMIGRANTS.c[name] for name in _IMMIGRANT_COLUMNS)).order_by(IMMIGRANTS.c.draw)
        with self.transaction() as connection:
            if not sa.inspect(connection).has_table(IMMIGRANTS.name):
                return []
            return [Immigrant(*row) for row in connection.execute(query)]

    def run_facts(self) -> dict[str, Any]:
        """All facts about the run."""
        with self.transaction() as connection:
            if not sa.inspect(connection).has_table(RUN.name):
                raise StoreError(f"database {self.where} holds no run")
            return {row.key: json.loads(row.value) for row in connection.execute(sa.select(RUN))}

    def individual(self, individual_id: int) -> Individual | None:
        """One individual by its number."""
        if individual_id >= 2**31:  # more than the column takes
            return None
        query = self._select_individuals().where(INDIVIDUALS.c.id == individual_id)
        with self.transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _individual(row)

    def individuals(
        self,
        *,
        start: int = 0,
        outcomes: Sequence[Outcome] | None = None,
        statuses: Sequence[Status] | None = None,
        by_draw: bool = False,
    ) -> Iterator[Individual]:
        """Individuals in the order of the log, read as they are needed.

        Args:
            start: number of the first.
            outcomes: only these; by default all.
            statuses: only these; by default all.
            by_draw: in the order in which they were proposed instead.
        """
        order = INDIVIDUALS.c.draw if by_draw else INDIVIDUALS.c.id
        query = self._select_individuals().where(INDIVIDUALS.c.id >= start).order_by(order)
        if outcomes is not None:
            query = query.where(INDIVIDUALS.c.outcome.in_(list(outcomes)))
        if statuses is not None:
            query = query.where(INDIVIDUALS.c.status.in_(list(statuses)))
        with self.transaction() as connection:
            for row in connection.execute(query, execution_options={"yield_per": 1000}):
                yield _individual(row)

    def _select_individuals(self) -> sa.Select[Any]:
        columns = (INDIVIDUALS.c[name] for name in _INDIVIDUAL_COLUMNS)
        return sa.select(*(sa.null().label(c.name) if c in self._lacking else c for c in columns))

    def start_of_last(self, count: int, outcomes: Sequence[Outcome], statuses: Sequence[Status]) -> int:
        """The number of the first of the last individuals with these, if any are named; 0 for fewer."""
        own = INDIVIDUALS.c
        query = sa.select(own.id).order_by(own.id.desc()).offset(count - 1).limit(1)
        for column, allowed in ((own.outcome, outcomes), (own.status, statuses)):
            query = query.where(column.in_(list(allowed))) if allowed else query
        with self.transaction() as connection:
            return connection.scalar(query) or 0

    def scored_hashes(self, numbers: Iterable[int]) -> dict[int, str]:
        """Of individuals, the hash whose scores they share."""
        own, scored = INDIVIDUALS.c, INDIVIDUALS.alias()
        query = sa.select(own.id, scored.c.hash).join(scored, scored.c.id == own.scored_id)
        with self.transaction() as connection:
            rows = (
                row for some in chunks(numbers) for row in connection.execute(query.where(own.id.in_(some)))
            )
            return {row[0]: row[1] for row in rows}

    def programs(self, numbers: Sequence[int]) -> list[str]:
        """The genomes of some individuals."""
        query = sa.select(INDIVIDUALS.c.program).where(INDIVIDUALS.c.id.in_(numbers))
        with self.transaction() as connection:
            return list(connection.scalars(query))

    def program_texts(self, limit: int) -> list[str]:
        """The genomes of the first individuals, in the order of the log."""
        query = sa.select(INDIVIDUALS.c.program).order_by(INDIVIDUALS.c.id).limit(limit)
        with self.transaction() as connection:
            return list(connection.scalars(query))

    def num_individuals(self) -> int:
        """How many individuals there are."""
        with self.transaction() as connection:
            return connection.scalars(sa.select(sa.func.count()).select_from(INDIVIDUALS)).one()

    def num_repeats(self) -> int:
        """How many populations have individuals."""
        query = sa.select(sa.func.count(sa.distinct(INDIVIDUALS.c.repeat)))
        with self.transaction() as connection:
            return connection.scalars(query).one()

    def counts(self) -> dict[Outcome, int]:
        """How many individuals there are of each outcome; those of which there are none are left out."""
        query = sa.select(INDIVIDUALS.c.outcome, sa.func.count()).group_by(INDIVIDUALS.c.outcome)
        with self.transaction() as connection:
            return {Outcome(row.outcome): row[1] for row in connection.execute(query)}

    def with_hashes(self, hashes: Sequence[str]) -> tuple[list[Individual], list[Evaluation]]:
        """Individuals with one of these hashes that have scores of their own, and these; not for many."""
        own, subject = INDIVIDUALS.c, EVALUATIONS.c
        individuals = self._select_individuals().where(own.hash.in_(hashes), own.outcome.in_(HAS_OWN_SCORES))
        scores = self._select_evaluations().where(
            subject.subject.in_(hashes), subject.stage == Stage.SEARCH, subject.individual_id.is_not(None)
        )
        with self.transaction() as connection:
            found = [_individual(row) for row in connection.execute(individuals.order_by(own.id))]
            return found, [_evaluation(row) for row in connection.execute(scores)]

    def ancestors(self, individual_id: int) -> list[Individual]:
        """An individual and those it comes from, the first one first."""
        own = INDIVIDUALS.c
        path = sa.select(own.id, own.parent_id).where(own.id == individual_id).cte("path", recursive=True)
        path = path.union_all(sa.select(own.id, own.parent_id).where(own.id == path.c.parent_id))
        query = self._select_individuals().where(own.id.in_(sa.select(path.c.id))).order_by(own.id)
        with self.transaction() as connection:
            return [_individual(row) for row in connection.execute(query)]

    @staticmethod
    def _select_evaluations() -> sa.Select[Any]:
        return sa.select(*(EVALUATIONS.c[name] for name in _EVALUATION_COLUMNS)).order_by(EVALUATIONS.c.id)

    def evaluations(
        self,
        *,
        stage: Stage | None = None,
        subject: str | None = None,
        only_kept: bool = False,
        after: int = 0,
    ) -> list[Evaluation]:
        """Logged evaluations in the order of the log, all or those of one stage or subject.

        Args:
            stage: what they were for.
            subject: what was trained.
            only_kept: without those of update scales that were not kept.
            after: only those with a higher number in the table.
        """
        query = self._select_evaluations().where(EVALUATIONS.c.id > after)
        if stage is not None:
            query = query.where(EVALUATIONS.c.stage == stage)
        if subject is not None:
            query = query.where(EVALUATIONS.c.subject == subject)
        if only_kept:
            kept = sa.select(INDIVIDUALS.c.hash).where(INDIVIDUALS.c.id == EVALUATIONS.c.individual_id)
            is_baseline = EVALUATIONS.c.individual_id.is_(None)
            query = query.where(is_baseline | (EVALUATIONS.c.subject == kept.scalar_subquery()))
        with self.transaction() as connection:
            return [_evaluation(row) for row in connection.execute(query)]


class _Transaction:
    """One transaction; the database's errors become :class:`StoreError`."""

    def __init__(self, engine: Engine, where: str, patience_seconds: float) -> None:
        self._engine = engine
        self._deadline = time.monotonic() + (0 if engine.dialect.name == "sqlite" else patience_seconds)
        self.where = where

    def __enter__(self) -> Connection:
        while True:
            self._begin = self._engine.begin()
            try:
                return self._begin.__enter__()
            except SQLAlchemyError as error:
                if not isinstance(error, OperationalError) or time.monotonic() >= self._deadline:
                    raise StoreError(self._told(error)) from error
            time.sleep(_RETRY_SECONDS)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._begin.__exit__(kind, error, trace)
        except SQLAlchemyError as other:
            raise StoreError(self._told(other)) from other  # whether it was committed is not known
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise ConnectionLostError(self._told(error)) from error
        if isinstance(error, SQLAlchemyError):
            raise StoreError(self._told(error)) from error

    def _told(self, error: SQLAlchemyError) -> str:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        if "malformed" in reason:
            reason += f"; {_readable(self._engine)}"
        return f"database {self.where}: {reason}"


def _readable(engine: Engine) -> str:
    """How much of a damaged SQLite file can be read from its beginning."""
    count = 0
    with contextlib.suppress(SQLAlchemyError), engine.connect() as connection:
        for _ in connection.exec_driver_sql("SELECT program FROM individuals ORDER BY id"):
            count += 1
    if not count:
        return "no individual can be read"
    return f"its first {count:,} individuals can be read: lion-search query, those WHERE id < {count}"


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Values, as many at a time as go into one query."""
    rest = iter(values)
    while some := list(itertools.islice(rest, _VALUES_IN_A_QUERY)):
        yield some


def _fact_rows(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": to_json(value)} for key, value in facts.items()]


def _evaluation_row(evaluation: Evaluation) -> dict[str, Any]:
    own = {column: getattr(evaluation.score, column) for column in _SCORE_COLUMNS}
    own |= {"individual_id": evaluation.individual_id, "stage": evaluation.stage}
    return own | {"subject": evaluation.subject}


# A log has a million rows: they are read by place, and words are looked up.
_PARTS = {str(part): part for part in Part}
_STATUSES = {str(status): status for status in Status}
_STAGES = {str(stage): stage for stage in Stage}
_OUTCOMES = {str(outcome): outcome for outcome in Outcome}


def _evaluation(row: sa.Row[Any]) -> Evaluation:
    stage, subject, individual_id, task, part, seed, status, *rest = tuple(row)
    score = Score(task, _PARTS[part], seed, _STATUSES[status], *rest)
    return Evaluation(_STAGES[stage], subject, score, individual_id)


def _individual(row: sa.Row[Any]) -> Individual:
    values = list(row)
    values[_OUTCOME], values[_STATUS] = _OUTCOMES[values[_OUTCOME]], _STATUSES[values[_STATUS]]
    return Individual(*values)

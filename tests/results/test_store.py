"""What a log promises in any database: what is written is read, all or nothing, while others look on."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import logs
import pytest
import sqlalchemy as sa
from databases import Server
from logs import Log, individual, score

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.curves import learning_curve
from lion_search.results.history import read_history
from lion_search.results.location import StoreError, absolute_url, sqlite_url, with_study
from lion_search.results.ranking import rank
from lion_search.results.records import Evaluation, Individual, Outcome, Stage
from lion_search.results.schema import SCHEMA_VERSION
from lion_search.results.sql import query
from lion_search.results.statistics import statistics
from lion_search.results.store import Store


def evaluation(seed: int, stage: Stage = Stage.SEARCH, subject: str = "p0") -> Evaluation:
    return Evaluation(stage, subject, score(0.1, seed), None)


@pytest.fixture
def store(database: str) -> Store:
    return Store.create(database, {})


def content(store: Store) -> tuple[list[Individual], list[Evaluation], dict]:
    return list(store.individuals()), store.evaluations(), store.run_facts()


# What is written is read.

FULL = individual(
    4, "f" * 32, draw=9, seen=3, retry_of=2, repeat=1, era=2, parent_id=3, mutation="insert+delete",
    program="a\nb", scored_id=2, proposed_hash="e" * 32, fingerprint="d" * 32, outcome=Outcome.FINGERPRINT,
    status=Status.TOO_LARGE, update_scale=0.1, num_statements=5, num_live_statements=4, num_states=2,
    num_canonical_statements=6,
)  # fmt: skip
LOSSES = (0.0, 1 / 3, 5e-324, 1e-30, 1e300, 0.1 + 0.2)
TRAININGS = [
    Evaluation(Stage.SEARCH, "baseline:tuned adamw", score(0.1)),
    *(Evaluation(Stage.TEST, "p1", score(loss, 7, part=Part.TEST, seconds=1 / 7), 1) for loss in LOSSES),
    Evaluation(
        Stage.SEARCH, "p4", Score("a", Part.VALIDATION, 1, Status.DIVERGED, None, 4, 0.1, "not finite"), 4
    ),
]


def test_records_are_read_back_equal_by_another(store: Store, database: str) -> None:
    """To the last bit, and with their types."""
    individuals = [*(individual(n) for n in range(4)), FULL]
    store.append(individuals, TRAININGS)
    store.close()
    reader = Store.open(database)
    assert [reader.individual(n) for n in range(5)] == list(reader.individuals()) == individuals
    assert reader.individual(5) is None
    assert reader.evaluations() == TRAININGS
    for written, read in zip(
        [*individuals, *TRAININGS], [*reader.individuals(), *reader.evaluations()], strict=True
    ):
        assert repr(written) == repr(read)


def test_names_and_programs_may_be_of_any_length_and_hold_any_character_but_nul(store: Store) -> None:
    characters = "".join(map(chr, (*range(1, 0xD800), *range(0xE000, 0x110000))))
    name = "my.module:task?" + ",".join(f"option_{n}='%s;--:x{n}'" for n in range(20))
    own = individual(0, mutation="+".join(["insert"] * 200), program=characters)
    long = individual(1, program="v1 = g * g\n" * 10_000)
    row = Evaluation(
        Stage.SEARCH, f"baseline:{name}", Score(name, Part.TEST, 0, Status.CRASHED, None, 0, 0.0, name)
    )
    store.append([own, long], [row], {name: name})
    assert content(store) == ([own, long], [row], {"schema_version": SCHEMA_VERSION, name: name})


def test_evaluations_come_in_the_order_of_the_log_by_stage_and_by_subject(store: Store) -> None:
    rows = [
        evaluation(seed, stage, subject)
        for seed, subject, stage in itertools.product((5, 1, 4), ("p1", "p0"), (Stage.TEST, Stage.SEARCH))
    ]
    for start in range(0, len(rows), 2):
        store.append([], rows[start : start + 2])
    assert store.evaluations() == rows
    for stage, subject in itertools.product((None, *Stage), (None, "p0", "p1")):
        expected = [e for e in rows if stage in (None, e.stage) and subject in (None, e.subject)]
        assert store.evaluations(stage=stage, subject=subject) == expected


def test_individuals_come_in_the_order_of_the_log_by_outcome(store: Store) -> None:
    """More than are fetched at once."""
    rows = [
        individual(n, program=f"{n}", outcome=Outcome.SEEN if n % 7 else Outcome.EVALUATED)
        for n in range(2100)
    ]
    store.append(rows[:12], [])
    store.append(rows[12:], [])
    assert list(store.individuals()) == rows
    assert list(store.individuals(start=2090)) == rows[2090:]
    assert list(store.individuals(start=3, outcomes=[Outcome.EVALUATED])) == rows[7::7]
    assert list(store.individuals(start=2100)) == list(store.individuals(outcomes=[])) == []
    assert store.num_individuals() == 2100
    assert store.counts() == {Outcome.EVALUATED: 300, Outcome.SEEN: 1800}
    assert store.program_texts(3) == ["0", "1", "2"]
    assert len(store.program_texts(9999)) == 2100


@pytest.mark.parametrize("number", [5, 2**31, 2**63, 10**30])
def test_a_number_that_no_individual_has_is_nobodys(store: Store, number: int) -> None:
    assert store.individual(number) is None


def test_facts_are_json_values_which_are_added_or_replaced(database: str) -> None:
    """JSON has no number that is not finite."""
    store = Store.create(database, {"a": {"b": [1, None, "c"]}, "pi": math.pi, "lost": math.nan})
    store.append([], [], {"pi": 3, "new": (math.inf, 1.5)})
    assert Store.open(database).run_facts() == {
        "schema_version": SCHEMA_VERSION,
        "a": {"b": [1, None, "c"]}, "pi": 3, "lost": None, "new": [None, 1.5],
    }  # fmt: skip


def test_what_is_computed_from_a_log_does_not_depend_on_the_database(database: str, tmp_path: Path) -> None:
    logs = [Log(url, {"search_seconds": 9.0}) for url in (database, tmp_path / "other.db")]
    for log in logs:
        rng = random.Random(0)
        log.add_baseline([0.3, 0.31, 0.29, 0.3], seconds=9.0)
        for number in range(60):
            losses = [rng.choice([0.1, 0.2, 0.4, None]) for _ in range(rng.randrange(4))]
            outcome = Outcome.EVALUATED if losses else rng.choice([Outcome.SEEN, Outcome.SAME_AS_PARENT])
            others = [("scaled", score(0.01, seconds=rng.randrange(9) / 8))] * (
                number % 5 == 0 and bool(losses)
            )
            own = [score(loss, seed, seconds=rng.randrange(9) / 8) for seed, loss in enumerate(losses)]
            log.add(
                "", own, outcome, others, num_statements=number % 3, num_live_statements=(number % 3) // 2
            )
    ours, theirs = (
        (statistics(s), rank(s, Stage.SEARCH), learning_curve(s, 20), read_history(s))
        for s in (log.store for log in logs)
    )
    assert ours == theirs
    assert len(ours[2]) > 10


# All or nothing.


def test_what_is_refused_leaves_nothing_and_the_log_goes_on(database: str) -> None:
    store = Store.create(database, {"done": 0})
    store.append([], [])
    store.append([individual(0)], [evaluation(0)], {"done": 1})
    before = content(store)
    with pytest.raises(StoreError, match=r"(?i)unique"):
        store.append([individual(1), individual(0), individual(2)], [evaluation(1)], {"done": 2})
    nowhere = Evaluation(Stage.SEARCH, "p0", Score("a", Part.TEST, None, Status.OK, 0.1, 9, 0.1))  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=r"(?i)not.null"):
        store.append([individual(1)], [evaluation(1), nowhere], {"done": 2})
    assert content(store) == before
    store.append([individual(1)], [])
    assert store.num_individuals() == 2


def test_a_failed_creation_leaves_nothing_behind(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a fact that is no JSON value, a mistake of ours, nor one that the database refuses."""
    with pytest.raises(TypeError):
        Store.create(database, {"fact": object()})
    monkeypatch.setattr("lion_search.results.store.to_json", lambda value: None)
    with pytest.raises(StoreError, match=r"(?i)not.null"):
        Store.create(database, {"fact": 1})
    monkeypatch.undo()
    Store.create(database, {"fact": 1}).close()


def test_a_reopened_log_goes_on(store: Store, database: str) -> None:
    store.append([individual(0)], [evaluation(0)])
    store.close()
    again = Store.reopen(database)
    again.append([individual(1)], [evaluation(1)], {"a": 2})
    again.close()
    expected = [individual(0), individual(1)], [evaluation(0), evaluation(1)]
    assert content(Store.open(database)) == (*expected, {"schema_version": SCHEMA_VERSION, "a": 2})


# What is refused.


def test_a_database_that_holds_a_run_takes_no_second(database: str) -> None:
    store = Store.create(database, {"a": 1})
    store.append([individual(0)], [])
    before = content(store)
    with pytest.raises(StoreError, match="already holds a run; nothing was written"):
        Store.create(database, {"a": 2})
    assert content(store) == before


def test_a_database_of_something_else_holds_no_run(database: str) -> None:
    with sa.create_engine(database).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE cats (name TEXT)")
    for use in (Store.open, Store.reopen):
        with pytest.raises(StoreError, match="holds no run"):
            use(database)


def test_a_database_of_another_schema_is_refused(store: Store, database: str) -> None:
    for version in (SCHEMA_VERSION + 1, 0, "old"):
        store.append([], [], {"schema_version": version})
        for use in (Store.open, Store.reopen):
            with pytest.raises(
                StoreError, match=f"version {version}; this program reads 2 to {SCHEMA_VERSION}"
            ):
                use(database)


def test_an_opened_log_cannot_be_written(store: Store, database: str) -> None:
    reader = Store.open(database)
    with pytest.raises(StoreError, match=r"read-?only"):
        reader.append([individual(0)], [])
    with pytest.raises(StoreError, match=r"read-?only"):
        reader.append([], [], {"a": 1})
    assert store.num_individuals() == 0


# Readers.

WRITER = """
import sys
import logs
from logs import individual
from lion_search.results.store import Store
store = Store.create(sys.argv[1], {"a": 1})
for start in range(0, 10**9, 5):
    store.append([individual(number) for number in range(start, start + 5)], [])
    if start == 20:
        print("writing", flush=True)
"""


def test_a_log_is_read_while_another_process_writes_it(database: str) -> None:
    """Each look sees a longer prefix of whole batches, and after a kill -9 of the writer nothing is lost."""
    command = [sys.executable, "-c", WRITER, database]
    environment = {"PYTHONPATH": str(Path(logs.__file__).parent)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        reader = Store.open(database)
        seen = [reader.num_individuals()]
        while len(seen) < 4:
            count = reader.num_individuals()
            if count != seen[-1]:
                seen.append(count)
        assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
    assert seen == sorted(seen)
    assert all(count % 5 == 0 for count in seen)
    left = [row.id for row in Store.open(database).individuals()]
    assert left == list(range(len(left)))
    assert len(left) >= seen[-1]


def test_a_reader_does_not_stop_the_writer_and_sees_a_log_of_one_moment(store: Store, database: str) -> None:
    rows = [individual(n) for n in range(2000)]
    store.append(rows[:1500], [])
    reading = Store.open(database).individuals()
    first = next(reading)
    store.append(rows[1500:], [])
    assert [first, *reading] == rows[:1500]
    assert store.num_individuals() == 2000


# SQLite alone: files.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.mark.parametrize(
    "name", ["with space.db", "what?.db", "100%20.db", "a#b.db", "ünïcode.db", "a&mode=rw.db"]
)
def test_a_path_may_hold_any_characters(tmp_path: Path, name: str) -> None:
    Store.create(tmp_path / name, {"a": 1}).close()
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".db"] == [name]
    assert Store.open(tmp_path / name).run_facts() == Store.open(sqlite_url(tmp_path / name)).run_facts()


def test_a_path_may_hold_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.db")
    Store.create(path, {"a": 1}).close()
    store = Store.open(path)
    assert store.run_facts()["a"] == 1
    assert store.where.isprintable()


def test_a_damaged_file_says_how_much_of_it_can_be_read(path: Path) -> None:
    """Its first individuals; these can be asked for."""
    log = Log(path)
    for _ in range(40):
        log.add(program="text" * 500)
    log.store.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 9_000)
    store = Store.open(path)
    with pytest.raises(StoreError, match=r"malformed; its first \d+ individuals can be read: ") as caught:
        list(store.individuals())
    count = int(str(caught.value).rpartition(" ")[2])
    assert 5 < count < 35
    assert len(query(store, f"SELECT * FROM individuals WHERE id < {count}")) == count


@pytest.mark.parametrize("inside", [("missing", "log.db"), ()], ids=["folder is missing", "path is a folder"])
def test_a_path_that_cannot_be_made_is_an_error_that_names_it(
    tmp_path: Path, inside: tuple[str, ...]
) -> None:
    path = tmp_path.joinpath(*inside)
    with pytest.raises(StoreError, match="unable to open database file") as caught:
        Store.create(path, {})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("inside", [("log.db",), ()], ids=["no file", "path is a folder"])
def test_opening_what_is_no_file_is_an_error_and_makes_none(tmp_path: Path, inside: tuple[str, ...]) -> None:
    path = tmp_path.joinpath(*inside)
    for use in (Store.open, Store.reopen):
        with pytest.raises(StoreError, match="no database at") as caught:
            use(path)
        assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("a poem, not a database\n" * 100)
    for use in (Store.open, Store.reopen, lambda p: Store.create(p, {})):
        with pytest.raises(StoreError, match="file is not a database"):
            use(path)
    assert path.read_text() == "a poem, not a database\n" * 100


def test_a_closed_log_can_be_read_where_nothing_can_be_written(path: Path) -> None:
    """Write-ahead logging would need its files beside the database even to read."""
    Store.create(path, {"fact": 1}).close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


# PostgreSQL alone: a server that may be away.


def test_a_server_that_does_not_answer_is_an_error_that_hides_the_password() -> None:
    pytest.importorskip("psycopg")
    for use in (Store.open, Store.reopen, lambda url: Store.create(url, {})):
        with pytest.raises(
            StoreError, match=r"database postgresql://me:\*\*\*@127.0.0.1:1/db: .*refused"
        ) as caught:
            use("postgresql://me:secret@127.0.0.1:1/db")
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_server_that_may_only_be_read_is_an_error(postgresql: Server) -> None:
    """What is there can be read."""
    url = postgresql.new_database()
    Store.create(url, {"a": 1}).close()
    read_only = f"{url}&options=-cdefault_transaction_read_only%3Don"
    assert Store.open(read_only).run_facts()["a"] == 1
    for use in (Store.reopen, lambda url: Store.create(with_study(url, "b"), {})):
        with pytest.raises(StoreError, match="read-only transaction"):
            use(read_only)


def test_a_server_that_is_slow_is_waited_for(postgresql: Server) -> None:
    """Here because somebody locks a table for a while."""
    url = postgresql.new_database()
    store = Store.create(url, {})
    with sa.create_engine(url).connect() as other:
        other.exec_driver_sql("LOCK TABLE individuals")
        let_go = threading.Timer(0.5, other.commit)
        let_go.start()
        store.append([individual(0)], [])
        let_go.join()
    assert store.num_individuals() == 1


def test_a_server_whose_disk_is_full_is_an_error(postgresql: Server) -> None:
    """What was committed stays and can be read."""
    with postgresql.small_disk() as url:
        store, numbers = Store.create(url, {}), itertools.count()

        def fill() -> None:
            for number in numbers:
                store.append([individual(number, program=random.Random(number).randbytes(9000).hex())], [])

        with pytest.raises(StoreError, match="No space left on device"):
            fill()
        assert [i.id for i in store.individuals()] == [*range(next(numbers) - 1)]
        store.append([], [], {"a": 1})
        store.close()


def test_a_database_that_the_server_does_not_have_is_an_error(postgresql: Server) -> None:
    with pytest.raises(StoreError, match='"cats" does not exist'):
        Store.create(postgresql.url("cats"), {})


def test_a_server_that_comes_back_is_waited_for(postgresql: Server) -> None:
    store = Store.create(postgresql.new_database(), {})
    postgresql.stop()
    back = threading.Timer(1.0, postgresql.start)
    back.start()
    store.append([individual(0)], [])
    back.join()
    assert list(store.individuals()) == [individual(0)]


def test_a_server_that_stays_away_is_an_error(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed before it died is there, and the log goes on when it is back."""
    monkeypatch.setattr("lion_search.results.store._SERVER_SECONDS", 0.2)
    store = Store.create(postgresql.new_database(), {})
    store.append([individual(0)], [])
    postgresql.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"database postgresql://"):
                store.append([individual(1)], [])
    finally:
        postgresql.start()
    store.append([individual(1)], [])
    assert list(store.individuals()) == [individual(0), individual(1)]


def test_a_connection_that_is_cut_while_it_is_idle_is_made_again(postgresql: Server) -> None:
    store = Store.create(postgresql.new_database(), {})
    postgresql.cut_connections()
    store.append([individual(0)], [])
    assert store.num_individuals() == 1


@pytest.mark.parametrize("times", [1, 2])
def test_an_append_in_which_the_connection_is_cut_is_made_once_more(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Cut again it is an error, and leaves nothing."""
    left = times

    def cut(facts: object) -> list[dict[str, str]]:
        nonlocal left
        left -= 1
        if left >= 0:
            postgresql.cut_connections()
        return [{"key": "a", "value": "1"}]

    store = Store.create(postgresql.new_database(), {})
    monkeypatch.setattr("lion_search.results.store._fact_rows", cut)
    expected = pytest.raises(StoreError, match=r"terminat|closed") if times == 2 else contextlib.nullcontext()
    with expected:
        store.append([individual(0)], [evaluation(0)], {"a": 1})
    assert len(content(store)[0]) == len(content(store)[1]) == 2 - times


def test_without_the_driver_the_extra_that_holds_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"install lion-search\[postgres\]"):
        Store.create("postgresql://me@127.0.0.1:1/db", {})


# URLs.


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL: 'nonsense'; expected one such as sqlite:///"),
        ("", "not a database URL"),
        ("postgresql://user@host:port/db", "not a database URL"),
        ("oracel://me:secret@host/db", r"database oracel://me:\*\*\*@host/db: "),
        ("sqlite://one/slash/too/few.db", "(?s)Invalid SQLite URL.*sqlite:///relative/path"),
        ("sqlite://", "in memory only"),
        ("sqlite:///", "in memory only"),
    ],
)
def test_a_bad_url_is_an_error_that_shows_it_without_its_password(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Store.create(url, {})


def test_an_absolute_url_holds_in_every_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_url("sqlite:///a/log.db") == f"sqlite:///{tmp_path}/a/log.db"
    for url in ("sqlite:////a/log.db", "postgresql://me:secret@host/db"):
        assert absolute_url(url) == url


# SQL of a person's own.


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO run VALUES ('a', '1')",
        "DROP TABLE run",
        "DELETE FROM run",
        "CREATE TABLE other (x INTEGER)",
        "UPDATE run SET value = '1'",
    ],
)
def test_a_query_reads_and_nothing_else(store: Store, database: str, sql: str) -> None:
    reader = Store.open(database)
    with pytest.raises(StoreError, match="a query may only read"):
        query(reader, sql)
    assert query(reader, "SELECT count(*) AS number FROM run") == [{"number": 1}]
    assert store.run_facts() == {"schema_version": SCHEMA_VERSION}

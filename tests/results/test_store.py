"""The log in a real SQLite file: what is written is read, all or nothing, while others look on."""

from __future__ import annotations

import math
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.records import Evaluation, Individual, Outcome, Stage
from lion_search.results.schema import SCHEMA_VERSION
from lion_search.results.store import Store, StoreError, sqlite_url

TEXT = "def train(w, g, lr):\n    update = g * 0.1\n    return update\n"


def individual(number: int, **changes: Any) -> Individual:
    values: dict[str, Any] = {
        "id": number,
        "draw": number + 3,
        "repeat": number % 2,
        "era": number // 8,
        "parent_id": number - 1 if number else None,
        "mutation": "insert" if number else "initial",
        "program": TEXT,
        "hash": f"{number % 7:032x}",
        "proposed_hash": f"{number % 7 + 100:032x}",
        "fingerprint": f"{number:032x}" if number < 7 else None,
        "outcome": Outcome.EVALUATED if number < 7 else Outcome.SEEN,
        "status": Status.OK,
        "scored_id": number % 7,
        "update_scale": 0.1 if number % 2 else 1.0,
        "num_statements": 5,
        "num_live_statements": 3,
        "num_states": 2,
        "num_canonical_statements": 4,
    }
    return Individual(**{**values, **changes})


def evaluation(number: int, stage: Stage = Stage.SEARCH, **changes: Any) -> Evaluation:
    values: dict[str, Any] = {
        "task": "digits_mlp",
        "part": Part.VALIDATION,
        "seed": number,
        "status": Status.OK,
        "loss": 0.1 + 0.2 * number,
        "num_steps": 250,
        "seconds": 0.0123,
    }
    return Evaluation(stage, f"{number % 7:032x}", Score(**{**values, **changes}), number)


FAILED = evaluation(
    3, status=Status.DIVERGED, loss=None, num_steps=4, reason="not finite after step 4 of 250"
)
BASELINE = Evaluation(Stage.SEARCH, "baseline:tuned adamw", evaluation(0).score, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def all_individuals(store: Store) -> list[Individual]:
    found = []
    while (row := store.individual(len(found))) is not None:
        found.append(row)
    return found


# What is written is read.


def test_records_are_read_back_equal(path: Path) -> None:
    individuals = [individual(n) for n in range(20)]
    evaluations = [BASELINE, *(evaluation(n) for n in range(7)), FAILED]
    writer = Store.create(path, {})
    writer.append(individuals, evaluations)
    writer.close()
    reader = Store.open(path)
    assert all_individuals(reader) == individuals
    assert reader.evaluations() == evaluations


@pytest.mark.parametrize("loss", [1 / 3, 5e-324, 1e-30, 1e300, 0.1 + 0.2])
def test_losses_are_kept_to_the_last_bit(path: Path, loss: float) -> None:
    store = Store.create(path, {})
    store.append([], [evaluation(0, loss=loss)])
    (found,) = store.evaluations()
    assert found.score.loss == loss


def test_what_is_read_has_the_types_of_what_was_written(path: Path) -> None:
    store = Store.create(path, {})
    store.append([individual(0)], [FAILED])
    (found,) = store.evaluations()
    assert (type(found.stage), type(found.score.part), type(found.score.status)) == (Stage, Part, Status)
    read = store.individual(0)
    assert read is not None
    assert (type(read.outcome), type(read.status)) == (Outcome, Status)


def test_evaluations_come_in_the_order_of_the_log(path: Path) -> None:
    store = Store.create(path, {})
    for number in (5, 1, 4):
        store.append([], [evaluation(number), evaluation(number + 10)])
    assert [e.score.seed for e in store.evaluations()] == [5, 15, 1, 11, 4, 14]


def test_evaluations_by_stage_and_by_subject(path: Path) -> None:
    store = Store.create(path, {})
    store.append([], [evaluation(1), evaluation(1, Stage.TEST), evaluation(2), evaluation(2, Stage.TEST)])
    subject = evaluation(1).subject
    assert store.evaluations(stage=Stage.TEST) == [evaluation(1, Stage.TEST), evaluation(2, Stage.TEST)]
    assert store.evaluations(subject=subject) == [evaluation(1), evaluation(1, Stage.TEST)]
    assert store.evaluations(stage=Stage.TEST, subject=subject) == [evaluation(1, Stage.TEST)]


def test_an_individual_that_is_not_there_is_none(path: Path) -> None:
    assert Store.create(path, {}).individual(5) is None


def test_individuals_come_in_the_order_of_the_log(path: Path) -> None:
    store = Store.create(path, {})
    rows = [individual(n) for n in range(20)]
    store.append(rows[:12], [])
    store.append(rows[12:], [])
    assert list(store.individuals()) == rows
    assert list(store.individuals(start=5)) == rows[5:]
    assert list(store.individuals(start=3, outcomes=[Outcome.EVALUATED])) == rows[3:7]
    assert list(store.individuals(start=20)) == list(store.individuals(outcomes=[])) == []


def test_program_texts_are_of_the_first_individuals(path: Path) -> None:
    store = Store.create(path, {})
    store.append([individual(n, program=f"program {n}") for n in range(5)], [])
    assert store.program_texts(3) == ["program 0", "program 1", "program 2"]
    assert len(store.program_texts(99)) == 5


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30])
def test_a_number_beyond_what_a_database_counts_is_nobodys(path: Path, number: int) -> None:
    assert Store.create(path, {}).individual(number) is None


def test_counts_by_outcome(path: Path) -> None:
    store = Store.create(path, {})
    store.append([individual(n) for n in range(20)], [])
    assert store.counts() == {Outcome.EVALUATED: 7, Outcome.SEEN: 13}


def test_facts_are_json_values(path: Path) -> None:
    facts = {
        "config": {"population": 100, "tasks": ["a", "b"]},
        "started": "now",
        "none": None,
        "pi": math.pi,
    }
    Store.create(path, facts).close()
    assert Store.open(path).run_facts() == {"schema_version": SCHEMA_VERSION, **facts}


def test_a_fact_is_added_or_replaced(path: Path) -> None:
    store = Store.create(path, {"a": 1})
    store.append([], [], {"a": 2, "b": [3]})
    assert store.run_facts() == {"schema_version": SCHEMA_VERSION, "a": 2, "b": [3]}


@pytest.mark.parametrize(
    "name", ["with space.db", "what?.db", "100%20.db", "a#b.db", "ünïcode.db", "a&mode=rw.db"]
)
def test_a_path_may_hold_any_characters(tmp_path: Path, name: str) -> None:
    Store.create(tmp_path / name, {"a": 1}).close()
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".db"] == [name]
    assert Store.open(tmp_path / name).run_facts()["a"] == 1


def test_a_path_and_its_url_are_the_same_database(path: Path) -> None:
    Store.create(sqlite_url(path), {"a": 1}).close()
    assert Store.open(path).run_facts() == Store.open(sqlite_url(path)).run_facts()


# All or nothing.


def test_an_append_with_a_number_that_is_taken_leaves_nothing(path: Path) -> None:
    store = Store.create(path, {})
    store.append([individual(0)], [evaluation(0)])
    with pytest.raises(StoreError, match="UNIQUE"):
        store.append([individual(1), individual(0), individual(2)], [evaluation(1)])
    assert all_individuals(store) == [individual(0)]
    assert store.evaluations() == [evaluation(0)]


def test_an_append_whose_evaluations_are_refused_leaves_no_individual(path: Path) -> None:
    store = Store.create(path, {})
    with pytest.raises(StoreError, match="NOT NULL"):
        store.append([individual(0)], [evaluation(0), evaluation(1, seed=None)])
    assert store.individual(0) is None
    assert store.evaluations() == []


def test_a_log_goes_on_after_a_refused_append(path: Path) -> None:
    store = Store.create(path, {})
    store.append([individual(0)], [])
    with pytest.raises(StoreError):
        store.append([individual(0)], [])
    store.append([individual(1)], [])
    assert all_individuals(store) == [individual(0), individual(1)]


def test_appending_nothing_is_allowed(path: Path) -> None:
    store = Store.create(path, {})
    store.append([], [])
    assert store.counts() == {}


def test_facts_are_committed_with_the_records_or_not_at_all(path: Path) -> None:
    store = Store.create(path, {"done": 0})
    store.append([individual(0)], [], {"done": 1})
    with pytest.raises(StoreError, match="UNIQUE"):
        store.append([individual(0)], [], {"done": 2})
    assert store.run_facts()["done"] == 1


def test_a_reopened_log_goes_on(path: Path) -> None:
    first = Store.create(path, {"a": 1})
    first.append([individual(0)], [evaluation(0)])
    first.close()
    again = Store.reopen(path)
    again.append([individual(1)], [evaluation(1)], {"a": 2})
    again.close()
    reader = Store.open(path)
    assert all_individuals(reader) == [individual(0), individual(1)]
    assert reader.evaluations() == [evaluation(0), evaluation(1)]
    assert reader.run_facts() == {"schema_version": SCHEMA_VERSION, "a": 2}


def test_reopening_what_is_not_there_is_an_error_and_makes_none(path: Path) -> None:
    with pytest.raises(StoreError, match="no database at"):
        Store.reopen(path)
    assert not path.exists()


# What is refused.


def test_a_database_that_holds_a_run_takes_no_second(path: Path) -> None:
    first = Store.create(path, {"a": 1})
    first.append([individual(0)], [])
    with pytest.raises(StoreError, match="already holds a run; nothing was written"):
        Store.create(path, {"a": 2})
    assert first.run_facts()["a"] == 1
    assert all_individuals(first) == [individual(0)]


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
    with pytest.raises(StoreError, match="no database at") as caught:
        Store.open(path)
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("a poem, not a database\n" * 100)
    for use in (Store.open, lambda p: Store.create(p, {})):
        with pytest.raises(StoreError, match="file is not a database"):
            use(path)
    assert path.read_text() == "a poem, not a database\n" * 100


def test_a_database_of_something_else_holds_no_run(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    with pytest.raises(StoreError, match="holds no run"):
        Store.open(path)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 0, "old"])
def test_a_database_of_another_schema_is_refused(path: Path, version: object) -> None:
    store = Store.create(path, {})
    store.append([], [], {"schema_version": version})
    store.close()
    with pytest.raises(StoreError, match=f"schema version {version}; this program reads {SCHEMA_VERSION}"):
        Store.open(path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL: 'nonsense'; expected one such as sqlite:///"),
        ("", "not a database URL"),
        ("oracel://host/db", "oracel"),
        ("sqlite://one/slash/too/few.db", "(?s)Invalid SQLite URL.*sqlite:///relative/path"),
    ],
)
def test_a_bad_url_is_an_error_that_shows_it(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Store.create(url, {})


def test_a_password_is_not_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Store.create("oracel://me:secret@host/db", {})
    assert "me" in str(caught.value)
    assert "secret" not in str(caught.value)


# Readers.


def test_an_opened_log_cannot_be_written(path: Path) -> None:
    Store.create(path, {}).close()
    reader = Store.open(path)
    with pytest.raises(StoreError, match="readonly"):
        reader.append([individual(0)], [])
    with pytest.raises(StoreError, match="readonly"):
        reader.append([], [], {"a": 1})


WRITER = f"""
import sys
from pathlib import Path
from lion_search.results.records import Individual, Outcome
from lion_search.proxy_tasks.scores import Status
from lion_search.results.store import Store
store = Store.create(Path(sys.argv[1]), {{"a": 1}})
for start in range(0, 10**9, 5):
    store.append([
        Individual(id=n, draw=n, repeat=0, era=0, parent_id=None, mutation="insert", program={TEXT!r},
                   hash=f"{{n:032x}}", proposed_hash=f"{{n:032x}}", fingerprint=None, scored_id=n,
                   outcome=Outcome.EVALUATED, status=Status.OK, update_scale=1.0, num_statements=1,
                   num_live_statements=1, num_states=0, num_canonical_statements=1)
        for n in range(start, start + 5)
    ], [])
    if start == 20:
        print("writing", flush=True)
"""


def test_a_log_is_read_while_another_process_writes_it(path: Path) -> None:
    """Each look sees a longer prefix of whole batches, and after a kill -9 of the writer nothing is lost."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        reader = Store.open(path)
        seen = [reader.counts()["evaluated"]]
        while len(seen) < 4:
            count = reader.counts()["evaluated"]
            if count != seen[-1]:
                seen.append(count)
        assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
    assert seen == sorted(seen)
    assert all(count % 5 == 0 for count in seen)
    count = Store.open(path).counts()["evaluated"]
    assert count >= seen[-1]
    assert len(all_individuals(Store.open(path))) == count


def test_a_reader_does_not_stop_the_writer(path: Path) -> None:
    writer = Store.create(path, {})
    writer.append([individual(0)], [])
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM individuals").fetchone() == (1,)
        writer.append([individual(1)], [])
        assert other.execute("SELECT count(*) FROM individuals").fetchone() == (1,)
    assert writer.counts() == {"evaluated": 2}


def test_a_failed_creation_leaves_no_run_behind(tmp_path: Path) -> None:
    """A fact that is no JSON value is a mistake of ours; the database can be used afterwards."""
    with pytest.raises(TypeError):
        Store.create(tmp_path / "log.db", {"fact": object()})
    Store.create(tmp_path / "log.db", {"fact": 1}).close()


def test_tables_and_facts_are_made_in_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lion_search.results.store.to_json", lambda value: None)  # the column takes no NULL
    with pytest.raises(StoreError):
        Store.create(tmp_path / "log.db", {"fact": 1})
    monkeypatch.undo()
    Store.create(tmp_path / "log.db", {"fact": 1}).close()


def test_a_closed_log_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    """Write-ahead logging would need its files beside the database even to read."""
    Store.create(tmp_path / "log.db", {"fact": 1}).close()
    connection = sqlite3.connect(tmp_path / "log.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///"])
def test_a_log_in_memory_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="in memory only"):
        Store.create(url, {})


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(StoreError, match="not a database URL"):
        Store.create("postgresql://user@host:port/db", {})

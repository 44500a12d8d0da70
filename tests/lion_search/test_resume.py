"""A run goes on from its log: after a kill at any moment the log is that of a run nothing disturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion_search.results.records import Outcome, Stage
from lion_search.results.store import Store

Main = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes by their environment in Linux's /proc"
)


def result_of(folder: Path) -> dict[str, Any]:
    """What must be the same in the result of two runs: everything but times and names."""
    result = json.loads((folder / "result.json").read_text())
    kept = {key: result[key] for key in ("program", "finalists", "test", "judged_by", "exports")}
    timed = {"seconds", "seconds_in_store", "seconds_left", "stopped_share"}
    return {**kept, "search": {key: value for key, value in result["search"].items() if key not in timed}}


def check_equal(folder: Path, undisturbed: Any, rows_of: Callable[[Path], Any]) -> None:
    ours, expected = rows_of(folder), rows_of(undisturbed.folder)
    assert ours.individuals == expected.individuals
    assert ours.search == expected.search
    assert ours.others == expected.others
    assert result_of(folder) == result_of(undisturbed.folder)


def is_beginning(log: Any, of: Any) -> bool:
    """Whether individuals and trainings of a log are the first ones of another."""
    return (
        log.individuals == of.individuals[: len(log.individuals)]
        and log.search == of.search[: len(log.search)]
    )


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files with what they hold and when they were written; the lock is not part of the run."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


@pytest.fixture
def copy(tiny: Any, undisturbed: Any) -> Path:
    """The undisturbed run again, in a folder with its task, to be resumed."""
    shutil.copytree(undisturbed.folder, tiny.folder / "r")
    return Path(tiny.folder / "r")


@pytest.fixture
def refused(main: Main) -> Callable[..., str]:
    """Resumes a run that must be refused with nothing written; gives the message."""

    def call(folder: Path, *arguments: str) -> str:
        before = contents(folder)
        called = main("resume", folder, *arguments)
        assert called.status == 2, called
        assert called.out == ""
        assert called.err.startswith("Error: ")
        assert contents(folder) == before
        return str(called.err)

    return call


# Kills.


def test_the_undisturbed_run_does_everything_a_search_can_do(
    undisturbed: Any, checked_log: Callable[..., Any]
) -> None:
    """So that the comparisons here are of something."""
    store = undisturbed.open()
    individuals = checked_log(store, num_seeds=2)
    store.close()
    assert {i.outcome for i in individuals} == set(Outcome) - {Outcome.REUSED}
    assert {i.update_scale for i in individuals} == {1.0, 0.5, 0.25}
    assert {"ok", "diverged", "stopped"} <= {i.status for i in individuals}
    assert {i.repeat for i in individuals} == {0, 1}
    assert max(i.era for i in individuals) > 0
    assert any("+" in i.mutation for i in individuals)


@pytest.mark.parametrize(
    ("seed", "starting", "searching", "later"),
    [(0, 1, 2, 1), pytest.param(1, 3, 13, 2, marks=pytest.mark.large)],
)
def test_a_run_killed_at_any_moment_is_resumed_to_the_same_log(
    tiny: Any,
    undisturbed: Any,
    policies: Sequence[str],
    rows_of: Callable[..., Any],
    count_rows: Callable[..., int],
    seed: int,
    starting: int,
    searching: int,
    later: int,
) -> None:
    """SIGKILL to the driver while it starts, searches, selects and tests; each resumption has other workers.

    It is awaited that the run has come so far, and then a random part of what its log takes to grow.
    """
    rng, folder = random.Random(seed), tiny.folder / "r"
    moments = [("individuals", "1", number) for number in sorted(rng.sample(range(20, 850), searching))]
    moments += [("evaluations", "stage = 'selection'", n) for n in sorted(rng.sample(range(1, 900), later))]
    moments += [("evaluations", "stage = 'test'", n) for n in sorted(rng.sample(range(1, 900), later))]
    for _ in range(starting):
        moments.insert(rng.randrange(searching), STARTING)
    running = tiny.start("run", *policies, "--out=r", "--set=workers=1")
    for moment, workers in zip(moments, cycle(["inline", "1", "inline", "2"]), strict=False):
        running.wait_until(partial(has_come, running, folder, count_rows, moment))
        time.sleep(rng.uniform(0, 0.3))
        running.process.kill()
        assert running.process.wait(60) == -signal.SIGKILL, "the moment came too late"
        assert is_beginning(rows_of(folder), rows_of(undisturbed.folder))
        running = tiny.start("resume", "r", f"--set=workers={workers}")
    assert running.process.wait(250) == 0, running.err
    check_equal(folder, undisturbed, rows_of)


STARTING = ("", "", 0)
"""A moment while a run starts; others are a table, a condition, and how many rows of it there must be."""


def has_come(
    running: Any, folder: Path, count_rows: Callable[..., int], moment: tuple[str, str, int]
) -> bool:
    if moment == STARTING:
        return "Run folder" in running.out or "Resuming" in running.out
    table, where, number = moment
    return count_rows(folder, table, where) >= number


def test_a_search_is_the_same_on_one_worker_on_two_and_on_none(
    tiny: Any, undisturbed: Any, policies: Sequence[str], rows_of: Callable[..., Any]
) -> None:
    """The undisturbed one has two; a smaller budget gives its beginning."""
    for workers in ("1", "inline"):
        called = tiny(
            *("run", *policies, f"--out={workers}", f"--set=workers={workers}", "--set=budget.programs=250"),
            *("--set=selection.validation_seeds=8", "--set=selection.test_seeds=8"),
        )
        assert called.status == 0, called.err
        log = rows_of(tiny.folder / workers)
        assert len(log.individuals) == 250
        assert is_beginning(log, rows_of(undisturbed.folder))


def test_a_run_stopped_by_ctrl_c_is_resumed_to_the_same_log(
    tiny: Any,
    undisturbed: Any,
    policies: Sequence[str],
    rows_of: Callable[..., Any],
    count_rows: Callable[..., int],
) -> None:
    """By the command that its message names."""
    running = tiny.start("run", *policies, "--out=r", "--set=workers=inline")
    running.wait_until(lambda: count_rows(tiny.folder / "r") > 300)
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.process.wait(60) == 130, running.err
    assert "lion-search resume r" in running.err
    assert 300 < count_rows(tiny.folder / "r") < 1000
    called = tiny("resume", "r")
    assert called.status == 0, called.err
    assert "Resuming r: " in called.out
    check_equal(tiny.folder / "r", undisturbed, rows_of)


# Runs that have ended.


def test_resuming_a_finished_run_changes_nothing_and_prints_its_result_again(
    tiny: Any, undisturbed: Any, copy: Path, rows_of: Callable[..., Any]
) -> None:
    """The same winner, the same table, and nothing more in its log."""
    config = (copy / "config.yaml").read_text().replace("workers: 2", "workers: inline")
    called = tiny("resume", "r", "--set=workers=inline")
    assert called.status == 0, called.err
    check_equal(copy, undisturbed, rows_of)
    assert (copy / "config.yaml").read_text() == config
    _, _, again = called.out.partition("Winner")
    _, _, before = undisturbed.called.out.partition("Winner")
    assert again == before != ""


def test_a_larger_budget_goes_on_with_a_finished_run(
    tiny: Any, undisturbed: Any, policies: Sequence[str], rows_of: Callable[..., Any]
) -> None:
    """Its log begins with what it was, and log and result are those of one run with that budget."""
    folder = tiny.folder / "r"
    options = ("--out=r", "--set=workers=inline", "--set=budget.programs=300")
    assert tiny("run", *policies, *options).status == 0
    before = rows_of(folder)
    called = tiny("resume", "r", "--set=budget.programs=1000")
    assert called.status == 0, called.err
    log, expected = rows_of(folder), rows_of(undisturbed.folder)
    assert len(before.individuals) == 300
    assert is_beginning(before, log)
    assert set(before.others) | set(expected.others) == set(log.others)
    assert (log.individuals, log.search) == (expected.individuals, expected.search)
    assert result_of(folder) == result_of(undisturbed.folder)
    with closing(Store.open(folder / "log.db")) as store:
        assert store.run_facts()["config"]["budget"]["programs"] == 1000
    assert yaml.safe_load((folder / "config.yaml").read_text())["budget"]["programs"] == 1000


# Refusals.


def test_a_run_whose_config_was_changed_is_refused(copy: Path, refused: Callable[..., str]) -> None:
    """In its file or on the command line; the message names the keys, both values, and what may change."""
    message = refused(copy, "--set=search.tournament=3", "--set=seed=5", "--set=budget.programs=2000")
    assert "search.tournament was 2 and is 3" in message
    assert "seed was 0 and is 5" in message
    assert "budget.programs was" not in message
    assert "What may change: budget, selection, simplification, workers" in message
    path = copy / "config.yaml"
    path.write_text(path.read_text().replace("population: 60", "population: 61"))
    assert "search.population was 60 and is 61" in refused(copy)


def test_a_run_whose_task_was_changed_is_refused(tiny: Any, copy: Path) -> None:
    """Here the user's own, by its steps; the baselines are of the new one."""
    for name in ("tiny.py", "baselines/tiny_sine.json"):
        path = tiny.folder / name
        text = path.read_text()
        assert "30" in text
        path.write_text(text.replace("STEPS = 30", "STEPS = 31").replace('"steps": 30', '"steps": 31'))
    before = contents(copy)
    called = tiny("resume", "r")
    assert called.status == 2
    assert "tasks.tiny:sine.steps was 30 and is 31" in called.err
    assert contents(copy) == before


def test_a_run_whose_data_were_changed_is_refused(tiny: Any, copy: Path) -> None:
    """Another random number for the task's examples."""
    path = tiny.folder / "tiny.py"
    path.write_text(path.read_text().replace("default_rng(0)", "default_rng(1)"))
    before = contents(copy)
    called = tiny("resume", "r")
    assert called.status == 2
    assert "tasks.tiny:sine.data was " in called.err
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("semantics_version", "it was made with version 999 of the language's semantics; this program has"),
        ("schema_version", "has schema version 999; this program reads"),
    ],
)
def test_a_run_made_by_another_version_is_refused(
    copy: Path, refused: Callable[..., str], key: str, message: str
) -> None:
    """Of the language's semantics, or of the database's tables."""
    with closing(sqlite3.connect(copy / "log.db")) as log, log:
        log.execute("UPDATE run SET value = '999' WHERE key = ?", (key,))
    assert message in refused(copy)


def test_a_log_that_the_search_would_not_have_made_is_refused(
    tiny: Any, copy: Path, rows_of: Callable[..., Any]
) -> None:
    """Here another parent than the tournament's winner; it is named, and log and result stay as they are."""
    with closing(sqlite3.connect(copy / "log.db")) as log, log:
        log.execute("UPDATE individuals SET parent_id = 3 WHERE id = 700 AND parent_id <> 3")
        assert log.total_changes == 1
    before, result = rows_of(copy), (copy / "result.json").read_bytes()
    called = tiny("resume", "r", "--set=workers=inline")
    assert called.status == 2
    assert "individual 700 is not what this configuration and these versions propose there" in called.err
    assert "Traceback" not in called.err
    assert rows_of(copy) == before
    assert (copy / "result.json").read_bytes() == result


def test_a_run_that_another_process_drives_is_refused(
    tiny: Any, copy: Path, main: Main, count_rows: Callable[..., int]
) -> None:
    """The message names that process, which goes on."""
    running = tiny.start("resume", "r", "--set=workers=inline", "--set=budget.programs=1000000")
    running.wait_until(lambda: "Resuming" in running.out)
    called = main("resume", copy)
    assert called.status == 2
    assert f"is in use by process {running.process.pid} on " in called.err
    running.wait_until(lambda: count_rows(copy) > 1000)


def test_a_run_that_does_not_exist_is_refused(main: Main, tmp_path: Path) -> None:
    """And not made."""
    called = main("resume", tmp_path / "r")
    assert called.status == 2
    assert "no run '" in called.err
    assert not (tmp_path / "r").exists()


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """A file that this user cannot write; for root that takes an attribute of the file system."""
    path.chmod(0o444)
    is_root = os.access(path, os.W_OK)
    if is_root and subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode:
        pytest.skip("root may write to read-only files, and this file system has no immutable ones")
    try:
        yield
    finally:
        if is_root:
            subprocess.run(["chattr", "-i", path], check=True)
        path.chmod(0o644)


def test_a_run_whose_database_is_read_only_is_refused(tiny: Any, copy: Path) -> None:
    """It is looked at before anything is written; once the file can be written it goes on."""
    with read_only(copy / "log.db"):
        before = contents(copy)
        called = tiny("resume", "r", "--set=workers=inline")
        assert called.status == 2, called
        assert "log.db: attempt to write a readonly database" in called.err
        assert len(called.err.splitlines()) == 1
        assert contents(copy) == before
    assert tiny("resume", "r", "--set=workers=inline").status == 0


# Asynchronous order.


def test_in_asynchronous_order_a_killed_search_goes_on(
    tiny: Any,
    policies: Sequence[str],
    rows_of: Callable[..., Any],
    count_rows: Callable[..., int],
    checked_log: Callable[..., Any],
) -> None:
    """With real workers: the log has no gaps and begins with what was there when it was killed."""
    options = ("--set=search.order=asynchronous", "--set=budget.programs=300", "--workers=2", "--out=r")
    running = tiny.start("run", *policies, *options)
    running.wait_until(lambda: count_rows(tiny.folder / "r") > 100)
    running.process.kill()
    running.process.wait()
    before = rows_of(tiny.folder / "r")
    called = tiny("resume", "r")
    assert called.status == 0, called.err
    assert is_beginning(before, rows_of(tiny.folder / "r"))
    store = Store.open(tiny.folder / "r" / "log.db")
    individuals = checked_log(store, num_seeds=2)
    assert len({individual.draw for individual in individuals}) == len(individuals) >= 300
    assert [individual.draw for individual in individuals] != sorted(i.draw for i in individuals)
    assert store.evaluations(stage=Stage.TEST)
    store.close()

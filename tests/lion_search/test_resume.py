"""A run goes on from its log: after a kill at any moment the log is that of a run nothing disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion_search.results.records import Outcome

Main = Callable[..., Any]
INLINE = "--set=workers=inline"


# Kills.


def test_the_undisturbed_run_does_everything_a_search_can_do(undisturbed: Any) -> None:
    """So that the comparisons here are of something."""
    individuals = undisturbed.checked(num_seeds=2)
    assert {i.outcome for i in individuals} == set(Outcome) - {Outcome.REUSED}
    assert {i.update_scale for i in individuals} == {1.0, 0.5, 0.25}
    assert {"ok", "diverged", "stopped"} <= {i.status for i in individuals}
    assert {i.repeat for i in individuals} == {0, 1}
    assert max(i.era for i in individuals) > 0
    assert any("+" in i.mutation for i in individuals)


STARTING = ("", "", 0)
"""A moment while a run starts; others are a table, a condition, and how many rows of it there must be."""


def has_come(running: Any, run: Any, moment: tuple[str, str, int]) -> bool:
    if moment == STARTING:
        return "Run folder" in running.out or "Resuming" in running.out
    table, where, number = moment
    return bool(run.count(table, where) >= number)


@pytest.mark.parametrize(
    ("seed", "starting", "searching", "later"),
    [(0, 1, 1, 1), pytest.param(1, 3, 13, 2, marks=pytest.mark.large)],
)
def test_a_run_killed_at_any_moment_is_resumed_to_the_same_log(
    tiny: Any,
    undisturbed: Any,
    options: Any,
    run_in: Any,
    seed: int,
    starting: int,
    searching: int,
    later: int,
) -> None:
    """SIGKILL to the driver while it starts, searches, selects and tests; each resumption has other workers.

    It is awaited that the run has come so far, and then a random part of what its log takes to grow.
    """
    rng, run = random.Random(seed), run_in(tiny.folder / "r")
    moments = [("individuals", "1", number) for number in sorted(rng.sample(range(20, 850), searching))]
    moments += [("evaluations", "stage = 'selection'", n) for n in sorted(rng.sample(range(1, 900), later))]
    moments += [("evaluations", "stage = 'test'", n) for n in sorted(rng.sample(range(1, 900), later))]
    for _ in range(starting):
        moments.insert(rng.randrange(searching), STARTING)
    running = tiny.start("run", *options.policies, "--out=r", "--set=workers=1")
    for moment, workers in zip(moments, cycle(["inline", "1", "inline", "2"]), strict=False):
        running.wait_until(partial(has_come, running, run, moment))
        time.sleep(rng.uniform(0, 0.3))
        running.process.kill()
        assert running.process.wait(60) == -signal.SIGKILL, "the moment came too late"
        assert run.rows().is_beginning(undisturbed.rows())
        running = tiny.start("resume", "r", f"--set=workers={workers}")
    assert running.process.wait(250) == 0, running.err
    run.check_same(undisturbed)


@pytest.mark.parametrize("workers", ["inline", pytest.param("1", marks=pytest.mark.large)])
def test_a_search_is_the_same_for_any_number_of_workers(
    tiny: Any, undisturbed: Any, options: Any, workers: str
) -> None:
    """The undisturbed one has two; a smaller budget gives its beginning."""
    few = ("--set=selection.validation_seeds=8", "--set=selection.test_seeds=8", f"--set=workers={workers}")
    run = tiny.run("few", *options.policies, *few, "--set=budget.programs=250")
    assert run.count() == 250
    assert run.rows().is_beginning(undisturbed.rows())


# Runs that have ended.


def test_resuming_a_finished_run_changes_nothing_and_prints_its_result_again(
    tiny: Any, undisturbed: Any, copy: Any
) -> None:
    """The same winner, the same table, and nothing more in its log."""
    config = (copy.folder / "config.yaml").read_text().replace("workers: 2", "workers: inline")
    again = tiny.resume("r", INLINE)
    again.check_same(undisturbed)
    assert (copy.folder / "config.yaml").read_text() == config
    printed = [run.called.out.partition("Winner")[2] for run in (again, undisturbed)]
    assert printed[0] == printed[1] != ""


def test_a_larger_budget_goes_on_with_a_finished_run(tiny: Any, undisturbed: Any, options: Any) -> None:
    """Its log begins with what it was, and log and result are those of one run with that budget."""
    before = tiny.run("r", *options.policies, INLINE, "--set=budget.programs=300").rows()
    run = tiny.resume("r", "--set=budget.programs=1000")
    log, expected = run.rows(), undisturbed.rows()
    assert len(before.individuals) == 300
    assert before.is_beginning(log)
    assert set(before.others) | set(expected.others) == set(log.others)
    assert (log.individuals, log.search) == (expected.individuals, expected.search)
    assert run.lasting_result() == undisturbed.lasting_result()
    with run.open() as store:
        assert store.run_facts()["config"]["budget"]["programs"] == 1000
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["budget"]["programs"] == 1000


# Refusals.


@pytest.fixture
def refused(main: Main, copy: Any) -> Callable[..., str]:
    """Resumes the run, which must be refused with nothing written; gives the message."""

    def call(*arguments: str, by: Main | None = None) -> str:
        before = copy.files()
        called = by("resume", "r", *arguments) if by else main("resume", copy.folder, *arguments)
        assert called.status == 2, called
        assert by or called.out == ""
        assert called.err.startswith("Error: ")
        assert len(called.err.splitlines()) == 1
        assert copy.files() == before
        return str(called.err)

    return call


def test_a_run_whose_config_was_changed_is_refused(copy: Any, refused: Callable[..., str]) -> None:
    """In its file or on the command line; the message names the keys, both values, and what may change."""
    message = refused("--set=search.tournament=3", "--set=seed=5", "--set=budget.programs=2000")
    assert "search.tournament was 2 and is 3" in message
    assert "seed was 0 and is 5" in message
    assert "budget.programs was" not in message
    assert "What may change: budget, selection, funnel, meta_validation, transfer_card" in message
    path = copy.folder / "config.yaml"
    path.write_text(path.read_text().replace("population: 60", "population: 61"))
    assert "search.population was 60 and is 61" in refused()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("tiny.py", "STEPS = 30", "STEPS = 31"), ("baselines/tiny_sine.json", ': 30', ': 31')],
         "tasks.tiny:sine.steps was 30 and is 31"),
        ([("tiny.py", "default_rng(0)", "default_rng(1)")], "tasks.tiny:sine.data was "),
    ],
)  # fmt: skip
def test_a_run_whose_task_or_data_were_changed_is_refused(
    tiny: Any, refused: Callable[..., str], changes: list[tuple[str, str, str]], message: str
) -> None:
    """Here the user's own: its steps, with baselines of the new one; or the random number of its examples."""
    for name, before, now in changes:
        path = tiny.folder / name
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, now))
    assert message in refused(by=tiny)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("semantics_version", "it was made with version 999 of the language's semantics; this program has"),
        ("schema_version", "has schema version 999; this program reads"),
    ],
)
def test_a_run_made_by_another_version_is_refused(
    copy: Any, refused: Callable[..., str], key: str, message: str
) -> None:
    """Of the language's semantics, or of the database's tables."""
    copy.change("UPDATE run SET value = '999' WHERE key = ?", key)
    assert message in refused()


def test_a_log_that_the_search_would_not_have_made_is_refused(tiny: Any, copy: Any) -> None:
    """Here another parent than the tournament's winner; it is named, and log and result stay as they are."""
    copy.change("UPDATE individuals SET parent_id = 3 WHERE id = 700 AND parent_id <> 3")
    before, result = copy.rows(), copy.result
    called = tiny("resume", "r", INLINE)
    assert called.status == 2
    assert "individual 700 is not what this configuration and these versions propose there" in called.err
    assert "Traceback" not in called.err
    assert (copy.rows(), copy.result) == (before, result)


def test_a_run_that_another_process_drives_is_refused(tiny: Any, copy: Any, main: Main) -> None:
    """The message names that process, which goes on."""
    running = tiny.start("resume", "r", INLINE, "--set=budget.programs=1000000")
    running.wait_until(lambda: "Resuming" in running.out)
    called = main("resume", copy.folder)
    assert called.status == 2
    assert f"is in use by process {running.process.pid} on " in called.err
    running.wait_until(lambda: copy.count() > 1000)


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


def test_a_run_whose_database_is_read_only_is_refused(
    tiny: Any, copy: Any, refused: Callable[..., str]
) -> None:
    """It is looked at before anything is written; once the file can be written it goes on."""
    with read_only(copy.folder / "log.db"):
        assert "log.db: attempt to write a readonly database" in refused(INLINE, by=tiny)
    tiny.resume("r", INLINE)


# Asynchronous order.


def test_in_asynchronous_order_a_killed_search_goes_on(tiny: Any, options: Any, run_in: Any) -> None:
    """With real workers: the log has no gaps and begins with what was there when it was killed."""
    asynchronous = ("--set=search.order=asynchronous", "--set=budget.programs=300", "--workers=2", "--out=r")
    run = run_in(tiny.folder / "r")
    running = tiny.start("run", *options.policies, *asynchronous)
    running.wait_until(lambda: run.count() > 100)
    running.process.kill()
    running.process.wait()
    before = run.rows()
    tiny.resume("r")
    assert before.is_beginning(run.rows())
    individuals = run.checked(num_seeds=2)
    assert len({individual.draw for individual in individuals}) == len(individuals) >= 300
    assert [individual.draw for individual in individuals] != sorted(i.draw for i in individuals)
    assert run.count("evaluations", "stage = 'test'")

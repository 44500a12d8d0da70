"""Looking at runs from outside: real folders and databases; drivers and watchers are different processes."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from processes import Start, line_of
from screens import PROGRESS, console, printed

from lion_search.analysis.watching import RunRow, list_runs
from lion_search.commands.printing.display import progress_cells
from lion_search.commands.printing.watching import print_runs, watch
from lion_search.results.location import StoreError
from lion_search.results.schema import SCHEMA_VERSION
from lion_search.results.store import Store
from lion_search.results.strict_json import to_json
from lion_search.runs.folder import (
    CONFIG_NAME,
    DATABASE_NAME,
    RESULT_NAME,
    RunFolderError,
)
from lion_search.runs.lock import RunState, holder, lock
from lion_search.runs.references import UnknownReferenceError

SEARCHING = {"phase": "search", "progress": asdict(PROGRESS)}
WATCHER = """
import sys
from rich.console import Console
from lion_search.commands.printing.watching import watch
watch(sys.argv[1], Console(soft_wrap=True), as_json=sys.argv[2] == "json", interval_seconds=0.02)
"""
DRIVER = """
import sys, time
from pathlib import Path
from lion_search.runs.lock import lock
with lock(Path(sys.argv[1])):
    print("driving", flush=True)
    time.sleep(60)
"""


@contextmanager
def driving(folder: Path) -> Iterator[Store]:
    """This process drives the run."""
    with lock(folder):
        store = Store.reopen(folder / DATABASE_NAME)
        yield store
        store.close()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder of runs in a folder of the user's, where the test is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def make_run(runs: Path, name: str, *, has_result: bool = False, **facts: Any) -> Path:
    folder = runs / name
    folder.mkdir()
    (folder / CONFIG_NAME).write_text("{}\n")
    Store.create(folder / DATABASE_NAME, {"started": "2026-01-02T03:04:05+00:00", **facts}).close()
    if has_result:
        write_result(folder)
    return folder


def write_result(folder: Path) -> None:
    (folder / RESULT_NAME).write_text(json.dumps({"winner": f"{folder.name}:1234"}))


def watched(run: str | Path, **options: Any) -> list[str]:
    """The lines that watching prints elsewhere than on a terminal."""
    file = console()
    watch(str(run), file, interval_seconds=0.02, **options)
    return printed(file).splitlines()


def strict_json(text: str) -> Any:
    """JSON by the letter: infinite numbers are none."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


# One run.


def test_a_run_is_watched_until_it_is_finished(runs: Path, start_script: Start) -> None:
    """By another process, which sees each phase and each progress that its driver stores."""
    folder = make_run(runs, "found")
    with driving(folder) as driver:
        watcher = start_script(WATCHER, "found", "json")
        seen = strict_json(line_of(watcher))
        assert seen == {"state": "running", "phase": None, "progress": None, "winner": None}
        for number in (100, 200):
            progress = asdict(replace(PROGRESS, num_programs=number))
            driver.append((), (), {"phase": "search", "progress": progress})
            while seen["progress"] is None or seen["progress"]["num_programs"] != number:
                seen = strict_json(line_of(watcher))
            assert seen == {"state": "running", "phase": "search", "progress": progress, "winner": None}
        driver.append((), (), {"phase": "finished"})
        write_result(folder)
    rest, errors = watcher.communicate(timeout=60)
    last = strict_json(rest.splitlines()[-1])
    assert (last["state"], last["phase"], last["winner"]) == ("finished", "finished", "found:1234")
    assert (watcher.returncode, errors) == (0, "")


def test_the_watcher_of_a_driver_that_is_killed_is_told_how_to_go_on(runs: Path, start_script: Start) -> None:
    """And first how far it came."""
    driver = start_script(DRIVER, make_run(runs, "found", **SEARCHING))
    assert line_of(driver) == "driving"
    timer = threading.Timer(0.1, driver.kill)
    timer.start()
    phase, progress, ending = watched("found")
    timer.join()
    assert phase == "Phase: search"
    assert all(value in progress for _, value in progress_cells(PROGRESS))
    assert "lion-search resume found" in ending


def test_ctrl_c_ends_the_watching_and_not_the_run(runs: Path, start_script: Start) -> None:
    """With exit status 0: it is how one stops watching."""
    folder = make_run(runs, "found", **SEARCHING)
    with driving(folder) as driver:
        watcher = start_script(WATCHER, "found", "text")
        assert line_of(watcher) == "Phase: search"
        watcher.send_signal(signal.SIGINT)
        out, errors = watcher.communicate(timeout=60)
        driver.append((), (), {"phase": "selection"})
        assert holder(folder) is not None
    assert "not stopped" in out
    assert (watcher.returncode, errors) == (0, "")


def test_a_terminal_shows_the_panel_of_the_run_and_keeps_its_last_values(runs: Path) -> None:
    """The title is the run's name to the letter, also where that looks like markup."""
    screen = console(terminal=True)
    with ExitStack() as driver:
        driver.enter_context(lock(make_run(runs, "[red]found", **SEARCHING)))
        timer = threading.Timer(0.3, driver.close)
        timer.start()
        watch("[red]found", screen, interval_seconds=0.02)
        timer.join()
    panel, _, rest = printed(screen).rpartition("\x1b[2K")  # by which the panel is erased
    assert "lion-search: [red]found" in panel
    for _, value in progress_cells(PROGRESS):
        assert value in panel
        assert value in rest


def test_a_finished_run_names_its_winner_and_what_to_do_next(runs: Path) -> None:
    """Watching it ends at once; the run may be named by its path, too."""
    folder = make_run(runs, "found", has_result=True, **{**SEARCHING, "phase": "finished"})
    phase, progress, winner, hint = watched(folder)
    assert phase == "Phase: finished"
    assert all(value in progress for _, value in progress_cells(PROGRESS))
    assert "found:1234" in winner
    assert f"lion-search top {folder}" in hint


@pytest.mark.parametrize("result", ["", '{"winner": "fou', "[]", "{}"])
def test_a_result_that_was_cut_off_is_no_obstacle(runs: Path, result: str) -> None:
    """A run is finished even if its result cannot be read."""
    folder = make_run(runs, "found", **SEARCHING)
    (folder / RESULT_NAME).write_text(result)
    assert "Finished." in watched("found")
    assert strict_json(watched("found", as_json=True)[-1])["winner"] is None


def test_a_run_that_goes_on_can_be_looked_at_once(runs: Path) -> None:
    """It says who drives it."""
    folder = make_run(runs, "found", **SEARCHING)
    with lock(folder):
        phase, progress, state = watched("found", follow=False)
        (line,) = watched("found", follow=False, as_json=True)
    assert phase == "Phase: search"
    assert progress.startswith("programs 24,000")
    assert f"process {os.getpid()} " in state
    assert strict_json(line)["state"] == "running"


def test_a_run_without_progress_yet_can_be_watched(runs: Path) -> None:
    make_run(runs, "found")
    phase, ending = watched("found")
    assert phase == "Phase: preparation"
    assert ending.startswith("Interrupted.")


def test_numbers_that_json_does_not_have_are_null(runs: Path) -> None:
    make_run(runs, "found", progress=asdict(replace(PROGRESS, seconds_left=float("inf"))))
    (line,) = watched("found", as_json=True)
    assert strict_json(line)["progress"]["seconds_left"] is None


def test_a_database_that_is_locked_for_a_moment_is_read_later(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A moment longer than a reader waits at once."""
    monkeypatch.setattr("lion_search.results.location._READER_SECONDS", 0.1)
    folder = make_run(runs, "found", **SEARCHING)
    other = sqlite3.connect(folder / DATABASE_NAME, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.3, other.execute, ["ROLLBACK"])
    timer.start()
    phase, *_ = watched("found", follow=False)
    timer.join()
    other.close()
    assert phase == "Phase: search"


def make_unreadable(folder: Path, how: str) -> str:
    """Makes a run's database one that cannot be read; a word of the reason."""
    path = folder / DATABASE_NAME
    if how == "missing":
        path.unlink()
        return "no database"
    if how == "garbage":
        path.write_bytes(b"no database at all " * 100)
        return "not a database"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE run SET value = ? WHERE key = 'schema_version'", (SCHEMA_VERSION + 1,))
    connection.close()
    return f"schema version {SCHEMA_VERSION + 1}"


@pytest.mark.parametrize("how", ["missing", "garbage", "another version"])
def test_a_run_that_cannot_be_read_cannot_be_watched_and_is_listed_with_the_reason(
    runs: Path, how: str
) -> None:
    """With its state, which its folder tells; the others are listed as ever."""
    make_run(runs, "good", phase="search")
    reason = make_unreadable(make_run(runs, "bad", has_result=True), how)
    with pytest.raises(StoreError, match=reason):
        watched("bad")
    rows = {row.name: row for row in list_runs(runs)}
    assert (rows["good"].phase, rows["good"].note) == ("search", "")
    assert (rows["bad"].state, rows["bad"].phase) == (RunState.FINISHED, None)
    assert reason in rows["bad"].note


def test_a_run_that_does_not_exist_cannot_be_watched(runs: Path) -> None:
    make_run(runs, "found")
    with pytest.raises(UnknownReferenceError, match="did you mean 'found'"):
        watched("fuond")


def test_progress_of_another_version_is_an_error_for_a_person(runs: Path) -> None:
    make_run(runs, "found", progress={"generation": 7})
    with pytest.raises(RunFolderError, match="another version"):
        watched("found")
    (row,) = list_runs(runs)
    assert "another version" in row.note


# All runs.


def test_runs_are_listed_with_what_they_found(runs: Path) -> None:
    """The newest first; their states are those of the moment; other folders are none."""
    make_run(runs, "old", has_result=True, started="2025-12-31T23:59:59+00:00", phase="finished")
    make_run(runs, "new", started="2026-02-01T00:00:00+00:00", **SEARCHING)
    going_on = make_run(runs, "going_on", started="2026-01-01T00:00:00+00:00", phase="selection")
    (runs / "notes").mkdir()
    expected = [
        RunRow("new", RunState.INTERRUPTED, "search", "2026-02-01T00:00:00+00:00", 24_000, 6_000, 0.1234),
        RunRow("going_on", RunState.RUNNING, "selection", "2026-01-01T00:00:00+00:00"),
        RunRow("old", RunState.FINISHED, "finished", "2025-12-31T23:59:59+00:00"),
    ]
    with lock(going_on):
        assert list_runs() == expected
        assert list_runs(runs) == expected


def test_a_run_that_cannot_be_read_has_the_age_of_its_configuration(runs: Path) -> None:
    """So that it is found in its place."""
    for name, year in (("old", 2024), ("bad", 2025), ("new", 2026)):
        make_run(runs, name, started=f"{year}-06-01T00:00:00+00:00")
    make_unreadable(runs / "bad", "missing")
    os.utime(runs / "bad" / CONFIG_NAME, times=(1_748_736_000, 1_748_736_000))  # 1 June 2025
    assert [row.name for row in list_runs(runs)] == ["new", "bad", "old"]


def test_the_table_shows_each_run_on_a_line() -> None:
    """Names to the letter; what is not known is left empty; notes have a column where there are any."""
    rows = [
        RunRow("[red]a", RunState.RUNNING, "search", "2026-02-01T00:00:00+00:00", 24_000, 6_000, 0.1234),
        RunRow("b", RunState.FINISHED),
    ]
    noted = RunRow("c", note="no database at c/log.db")
    tables = []
    for some in (rows, [*rows, noted]):
        file = console()
        print_runs(file, some)
        tables.append([re.split(r"\s\s+", line) for line in printed(file).splitlines()])
    titles = ["Run", "State", "Phase", "Started", "Programs", "Evaluated", "Best fitness"]
    started = f"{datetime.fromisoformat(str(rows[0].started)).astimezone():%Y-%m-%d %H:%M}"
    first = ["[red]a", "running", "search", started, "24,000", "6,000", "+0.1234"]
    assert tables[0] == [titles, first, ["b", "finished"]]
    assert tables[1][0] == [*titles, "Note"]
    assert tables[1][-1] == ["c", noted.note]


def test_a_run_as_json_has_no_number_that_is_not_finite() -> None:
    first, second = strict_json(
        to_json([RunRow("a", RunState.RUNNING, best_fitness=float("nan")), RunRow("b", note="lost")])
    )
    assert (first["name"], first["state"], first["best_fitness"]) == ("a", "running", None)
    assert (second["name"], second["note"]) == ("b", "lost")


def test_where_no_run_was_the_command_to_begin_one_is_shown(tmp_path: Path) -> None:
    file = console()
    print_runs(file, list_runs(tmp_path / "runs"))
    assert "lion-search run" in printed(file)

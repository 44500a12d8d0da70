"""A run's folder: where it is, who drives it, what happened to it; with real files and real processes."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lion_search.results.store import sqlite_url
from lion_search.runs.folder import (
    DATABASE_NAME,
    DATABASE_URL_NAME,
    EVENTS_NAME,
    LOCK_NAME,
    RESULT_NAME,
    Events,
    RunFolderError,
    RunState,
    choose_folder,
    database_of,
    holder,
    lock,
    make_folder,
    state_of,
    write_file,
)

DRIVER = """
import os, subprocess, sys
from pathlib import Path
from lion_search.runs.folder import RunFolderError, lock
try:
    with lock(Path(sys.argv[1])):
        {then}
        print("locked", flush=True)
        sys.stdin.readline()
    print("left", flush=True)
    sys.stdin.readline()
except RunFolderError as error:
    print("refused", flush=True)
"""
CHILD_THAT_INHERITS_ALL_IT_CAN = (
    'print(subprocess.Popen(["sleep", "60"], close_fds=False).pid, flush=True)'  # stdout too
)
CHILD_THAT_IS_FORKED_ONLY = """
        import time
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print(child, flush=True)
"""
StartDriver = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_driver(tmp_path: Path) -> Iterator[StartDriver]:
    """Starts processes that lock the test's folder until they are told by a line, or killed."""
    started: list[subprocess.Popen[str]] = []

    def start(then: str = "pass") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER.format(then=then), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def check_alive(pid: int) -> None:
    os.kill(pid, 0)  # asks for the process only


# Place.


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_of_the_users_choice_is_new_or_empty(tmp_path: Path, *, exists: bool) -> None:
    """And nothing is made by choosing it."""
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    assert choose_folder("quickstart", out) == out
    assert out.exists() == exists


@pytest.mark.parametrize("kind", ["folder with a file", "file"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    """Neither a folder that holds something nor a file."""
    out = tmp_path / "out"
    if kind == "file":
        out.touch()
    else:
        out.mkdir()
        (out / "thesis.tex").touch()
    with pytest.raises(RunFolderError, match=re.escape(f"'{out}'")):
        choose_folder("quickstart", out)


def test_runs_of_one_name_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has the name itself."""
    monkeypatch.chdir(tmp_path)
    chosen = []
    for _ in range(3):
        chosen.append(choose_folder("quickstart", None))
        make_folder(chosen[-1])
    assert chosen == [Path("runs", name) for name in ("quickstart", "quickstart-2", "quickstart-3")]
    assert all(folder.is_dir() for folder in chosen)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=r"cannot make run folder '.*file/run'"):
        make_folder(tmp_path / "file" / "run")


def test_the_log_is_in_the_folder_unless_the_folder_says_where(tmp_path: Path) -> None:
    assert database_of(tmp_path) == tmp_path / DATABASE_NAME
    url = sqlite_url(tmp_path / "elsewhere.db")
    (tmp_path / DATABASE_URL_NAME).write_text(f"{url}\n")
    assert database_of(tmp_path) == url


def test_an_unreadable_database_url_is_an_error_for_a_person(tmp_path: Path) -> None:
    (tmp_path / DATABASE_URL_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(RunFolderError, match=DATABASE_URL_NAME):
        database_of(tmp_path)


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The text of an earlier end of the run is gone."""
    path = tmp_path / "config.yaml"
    write_file(path, "old and long\n")
    write_file(path, "new\n")
    assert path.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full, a disk without room, is Linux's")
def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """The message names it and says why."""
    path = tmp_path / "config.yaml"
    write_file(path, "old\n")
    (tmp_path / "config.tmp").symlink_to("/dev/full")
    with pytest.raises(RunFolderError, match=re.escape(f"cannot write '{path}': No space left on device")):
        write_file(path, "new\n")
    assert path.read_text() == "old\n"


# Lock.


def test_a_second_driver_is_told_who_the_first_is(tmp_path: Path, start_driver: StartDriver) -> None:
    """Process, machine and time, which is in UTC."""
    first = start_driver()
    assert line_of(first) == "locked"
    with pytest.raises(RunFolderError) as caught, lock(tmp_path):
        pytest.fail("two drivers")
    told = re.fullmatch(
        re.escape(f"run folder '{tmp_path}' is in use by process {first.pid} on {socket.gethostname()}")
        + " since (.*)",
        str(caught.value),
    )
    assert told
    since = datetime.fromisoformat(told[1])
    assert since.utcoffset() == timedelta(0)
    assert timedelta(0) <= datetime.now(UTC) - since < timedelta(minutes=5)


def test_of_drivers_that_start_together_one_gets_the_lock(start_driver: StartDriver) -> None:
    drivers = [start_driver() for _ in range(4)]
    assert sorted(line_of(driver) for driver in drivers) == ["locked", *["refused"] * 3]


def test_a_process_does_not_get_its_own_lock_twice(tmp_path: Path) -> None:
    with lock(tmp_path):
        with pytest.raises(RunFolderError, match=f"process {os.getpid()} "), lock(tmp_path):
            pytest.fail("two drivers in one process")
        assert holder(tmp_path) is not None  # the vain attempt has not released it


def test_a_driver_that_is_killed_frees_the_lock(tmp_path: Path, start_driver: StartDriver) -> None:
    """By SIGKILL, after which it can do nothing itself."""
    driver = start_driver()
    assert line_of(driver) == "locked"
    assert holder(tmp_path) is not None
    driver.kill()
    driver.wait()
    assert holder(tmp_path) is None
    with lock(tmp_path):
        pass


def test_a_driver_that_ends_frees_the_lock_and_leaves_its_file(tmp_path: Path) -> None:
    """Also by an exception; the file says who was the last."""
    with pytest.raises(KeyError), lock(tmp_path):
        raise KeyError
    assert holder(tmp_path) is None
    signature = json.loads((tmp_path / LOCK_NAME).read_text())
    assert signature.keys() == {"pid", "host", "since"}
    assert signature["pid"] == os.getpid()


def test_a_child_that_outlives_a_killed_driver_does_not_keep_the_lock(
    tmp_path: Path, start_driver: StartDriver
) -> None:
    """A program that was started with every descriptor that can be inherited, as Ray's might be."""
    driver = start_driver(then=CHILD_THAT_INHERITS_ALL_IT_CAN)
    child = int(line_of(driver))
    try:
        assert line_of(driver) == "locked"
        driver.kill()
        driver.wait()
        check_alive(child)
        with lock(tmp_path):
            check_alive(child)
    finally:
        os.kill(child, 9)


def test_a_forked_child_does_not_keep_the_lock_of_a_driver_that_ended(
    tmp_path: Path, start_driver: StartDriver
) -> None:
    """It has the same open file; closing the driver's descriptor alone would not release the lock."""
    driver = start_driver(then=CHILD_THAT_IS_FORKED_ONLY)
    child = int(line_of(driver))
    try:
        assert line_of(driver) == "locked"
        tell(driver)
        assert line_of(driver) == "left"
        check_alive(child)
        with lock(tmp_path):
            check_alive(child)
    finally:
        os.kill(child, 9)


def test_the_holder_is_known_without_taking_the_lock(tmp_path: Path, start_driver: StartDriver) -> None:
    """Nobody before there is a file; then the driver, however often it is asked."""
    assert holder(tmp_path) is None
    assert not (tmp_path / LOCK_NAME).exists()
    driver = start_driver()
    assert line_of(driver) == "locked"
    for _ in range(3):
        found = holder(tmp_path)
        assert found is not None
        assert (found.pid, found.host) == (driver.pid, socket.gethostname())


def test_readers_do_not_take_each_other_for_the_driver(tmp_path: Path) -> None:
    with lock(tmp_path):
        pass
    with (tmp_path / LOCK_NAME).open() as another_reader:
        fcntl.flock(another_reader, fcntl.LOCK_SH)
        assert holder(tmp_path) is None


def test_a_reader_does_not_make_a_drivers_lock_fail(tmp_path: Path) -> None:
    """The driver waits for a reader that looks at the lock at the same moment, here a slow one."""
    (tmp_path / LOCK_NAME).touch()
    with (tmp_path / LOCK_NAME).open() as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        timer = threading.Timer(0.1, fcntl.flock, (reader, fcntl.LOCK_UN))
        timer.start()
        with lock(tmp_path):
            assert holder(tmp_path) is not None
        timer.join()


def test_a_lock_that_is_not_signed_yet_is_held(tmp_path: Path) -> None:
    """By someone unknown: the instant in which a driver has just taken its first lock."""
    (tmp_path / LOCK_NAME).touch()
    with (tmp_path / LOCK_NAME).open() as driver:
        fcntl.flock(driver, fcntl.LOCK_EX)
        assert "unknown" in str(holder(tmp_path))
        assert state_of(tmp_path) is RunState.RUNNING


def test_a_signature_replaces_a_longer_one(tmp_path: Path) -> None:
    """The lock's file is one JSON line, whatever was in it."""
    (tmp_path / LOCK_NAME).write_text("x" * 1000)
    with lock(tmp_path):
        (line,) = (tmp_path / LOCK_NAME).read_text().splitlines()
        assert json.loads(line)["pid"] == os.getpid()


def test_a_folder_that_cannot_be_locked_is_an_error_for_a_person(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(RunFolderError, match=re.escape(f"cannot lock run folder '{missing}'")), lock(missing):
        pytest.fail("locked nothing")


# Events.


def events_in(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / EVENTS_NAME).read_text().splitlines()]


def test_an_event_is_a_line_with_time_name_and_fields(tmp_path: Path) -> None:
    """At once in the file; the time is in UTC, to the millisecond."""
    events = Events(tmp_path, pytest.fail)
    events.write("started", workers=2, tasks=["digits_mlp"])
    (event,) = events_in(tmp_path)
    assert list(event) == ["time", "event", "workers", "tasks"]
    assert (event["event"], event["workers"], event["tasks"]) == ("started", 2, ["digits_mlp"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(event["time"]))
    assert (
        timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(str(event["time"])) < timedelta(minutes=1)
    )


def test_events_of_a_resumed_run_follow_those_before(tmp_path: Path) -> None:
    for name in ("started", "resumed"):
        Events(tmp_path, pytest.fail).write(name)
    assert [event["event"] for event in events_in(tmp_path)] == ["started", "resumed"]


def test_numbers_json_does_not_have_are_null(tmp_path: Path) -> None:
    """Infinite ones and those that are none, also inside of fields."""
    Events(tmp_path, pytest.fail).write("x", a=float("inf"), b={"c": [float("nan"), 1.5]})
    (event,) = events_in(tmp_path)
    assert (event["a"], event["b"]) == (None, {"c": [None, 1.5]})


def test_events_are_written_whole(tmp_path: Path) -> None:
    """A line in one write: those of two processes that write at once do not mix, however long they are."""
    script = (
        "import sys; from pathlib import Path; from lion_search.runs.folder import Events\n"
        "events = Events(Path(sys.argv[1]), print)\n"
        "for number in range(300): events.write('x', text=50_000 * 'y')"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(events_in(tmp_path)) == 600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full, a disk without room, is Linux's")
def test_a_full_disk_is_told_once_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / EVENTS_NAME).symlink_to("/dev/full")
    warnings: list[str] = []
    events = Events(tmp_path, warnings.append)
    for _ in range(3):
        events.write("started")
    (warning,) = warnings
    assert "No space left" in warning
    assert EVENTS_NAME in warning


def test_a_disk_that_fills_up_within_a_line_leaves_whole_lines(tmp_path: Path) -> None:
    """Nothing of the line that did not fit; once there is room, events are written again.

    A limit of the file's size stands for the end of the disk: the kernel then writes a part, too.
    """
    script = """
import resource, sys
from pathlib import Path
from lion_search.runs.folder import Events
events = Events(Path(sys.argv[1]), print)
events.write("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
events.write("lost", text=1000 * "x")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
events.write("after")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
    assert [event["event"] for event in events_in(tmp_path)] == ["before", "after"]


# State.


def test_a_run_is_running_while_it_is_driven(tmp_path: Path, start_driver: StartDriver) -> None:
    """Whatever is there of an earlier end; interrupted if its driver dies before it has a result."""
    driver = start_driver()
    assert line_of(driver) == "locked"
    assert state_of(tmp_path) is RunState.RUNNING
    (tmp_path / RESULT_NAME).write_text("{}")
    assert state_of(tmp_path) is RunState.RUNNING
    (tmp_path / RESULT_NAME).unlink()
    driver.kill()
    driver.wait()
    assert state_of(tmp_path) is RunState.INTERRUPTED


def test_a_run_with_a_result_is_finished(tmp_path: Path) -> None:
    with lock(tmp_path):
        (tmp_path / RESULT_NAME).write_text("{}")
    assert state_of(tmp_path) is RunState.FINISHED

"""Who drives a run, and where it stands; with real files and real processes."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from processes import Start, line_of

from lion_search.runs.folder import RESULT_NAME, RunFolderError
from lion_search.runs.lock import LOCK_NAME, RunState, holder, lock, state_of

DRIVER = """
import os, subprocess, sys
from pathlib import Path
from lion_search.runs.folder import RunFolderError
from lion_search.runs.lock import lock
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
def start_driver(tmp_path: Path, start_script: Start) -> StartDriver:
    """Starts processes that lock the test's folder until they are told by a line, or killed."""
    return lambda then="pass": start_script(DRIVER.format(then=then), tmp_path)


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def check_alive(pid: int) -> None:
    os.kill(pid, 0)  # asks for the process only


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

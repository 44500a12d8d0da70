"""A disk that fills, a file that can no longer be written, a lock that is not given back.

Each stops the run in order, with one message; what was committed can be read, and once the cause is gone the
run is resumed to the log of one that nothing disturbed.
"""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

INLINE = "--set=workers=inline"


@pytest.fixture
def start(tiny: Any, options: Any, run_in: Any) -> Callable[..., Any]:
    """Starts a run and waits until a part of its search is in the log."""

    def call(name: str = "r", workers: str = "inline") -> Any:
        running = tiny.start("run", *options.policies, f"--out={name}", f"--set=workers={workers}")
        running.wait_until(lambda: run_in(tiny.folder / name).count() > 200)
        return running

    return call


@pytest.fixture
def check_stopped(tiny: Any, main: Callable[..., Any], undisturbed: Any, run_in: Any) -> Callable[..., None]:
    """Checks that a run ended in order because its log could not be written, and that it can be read."""

    def check(running: Any, *reasons: str, name: str = "r") -> None:
        run = run_in(tiny.folder / name)
        assert running.process.wait(120) == 2, running.err
        assert running.err.startswith("Error: database sqlite:///")
        assert "log.db: " in running.err
        assert any(reason in running.err for reason in reasons), running.err
        assert len(running.err.splitlines()) == 1
        assert running.survivors(within_seconds=5) == {}
        assert main("top", run.folder).status == 0
        assert 200 < run.count() < 1000
        assert run.rows().is_beginning(undisturbed.rows())

    return check


@pytest.fixture
def check_resumed(tiny: Any, undisturbed: Any) -> Callable[..., None]:
    """Resumes a run and checks that its log is whole."""

    def check(name: str = "r") -> None:
        assert tiny.resume(name, INLINE).rows() == undisturbed.rows()

    return check


@pytest.mark.large
def test_a_file_that_must_not_grow_stops_the_run(start: Any, check_stopped: Any, check_resumed: Any) -> None:
    """By a limit of the system for the driver's files: the nearest to a full disk that needs no rights."""
    running = start()
    _, most = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (4096, most))
    check_stopped(running, "disk I/O error", "database or disk is full")
    check_resumed()


def succeeds(command: str, *arguments: str | Path) -> bool:
    """Whether there is such a command and this user may do that."""
    return (
        shutil.which(command) is not None
        and subprocess.run([command, *arguments], capture_output=True, check=False).returncode == 0
    )


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 700 kB."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=700k", "tmpfs", folder]
    if not succeeds("mount", *options):
        pytest.skip("this user may not mount file systems")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_stops_the_run(tiny: Any, start: Any, check_stopped: Any, check_resumed: Any) -> None:
    """Also its worker. With room again it goes on; without, that is said and the log stays as it is."""
    with small_disk(tiny.folder / "disk"):
        running = start("disk/r", workers="1")
        check_stopped(running, "database or disk is full", "disk I/O error", name="disk/r")
        called = tiny("resume", "disk/r", INLINE)
        assert called.status == 2
        assert "Traceback" not in called.err
        subprocess.run(["mount", "-o", "remount,size=64m", tiny.folder / "disk"], check=True)
        check_resumed("disk/r")


def test_a_database_that_can_no_longer_be_written_stops_the_run(
    tiny: Any, start: Any, check_stopped: Any, check_resumed: Any
) -> None:
    """A file that is open is made immutable, which only root can do; taking rights away does not close it."""
    running = start()
    paths = [tiny.folder / "r" / name for name in ("log.db", "log.db-wal")]
    try:
        if not succeeds("chattr", "+i", *paths):
            pytest.skip("this user, or this file system, cannot make files immutable")
        assert running.process.wait(120) == 2, running.err
    finally:
        succeeds("chattr", "-i", *paths)
    check_stopped(running, "disk I/O error", "readonly database", "unable to open")
    check_resumed()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes to the database and does not come to an end."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_database_that_another_process_locks_for_a_while_is_waited_for(
    tiny: Any, start: Any, undisturbed: Any, run_in: Any
) -> None:
    """Nothing is lost."""
    running, run = start(), run_in(tiny.folder / "r")
    with locked(run.folder / "log.db"):
        number = run.count()
        time.sleep(2)
        assert run.count() == number
        assert running.process.poll() is None
    assert running.process.wait(120) == 0, running.err
    assert run.rows() == undisturbed.rows()


@pytest.mark.large
def test_a_database_that_another_process_keeps_locked_stops_the_run(
    tiny: Any, start: Any, check_stopped: Any, check_resumed: Any
) -> None:
    """After half a minute."""
    running = start()
    with locked(tiny.folder / "r" / "log.db"):
        check_stopped(running, "database is locked")
    check_resumed()


def test_a_result_that_cannot_be_written_is_said_and_can_be_written_later(
    tiny: Any, copy: Any, check_resumed: Any
) -> None:
    """Here because a folder is in its place."""
    path = copy.folder / "exports" / "winner.py"
    path.unlink()
    path.mkdir()
    called = tiny("resume", "r", INLINE)
    assert called.status == 2
    assert called.err == "Error: cannot write 'r/exports/winner.py': Is a directory\n"
    path.rmdir()
    check_resumed()

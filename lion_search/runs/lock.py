"""Who drives a run: a lock in its folder, that the kernel releases, and where a run stands."""

from __future__ import annotations

import enum
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lion_search.results.strict_json import to_json
from lion_search.runs.folder import RESULT_NAME, RunFolderError

LOCK_NAME = "lock"
_LOCK_SECONDS = 1.0
"""How long a driver tries to get its lock, which readers too hold for microseconds."""


class RunState(enum.StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    """A process drives it."""
    FINISHED = "finished"
    """It has a result, and nobody drives it."""
    INTERRUPTED = "interrupted"
    """It ended, or was killed, before it had a result."""


def state_of(folder: Path) -> RunState:
    """Where the run stands at this moment.

    Raises:
        RunFolderError: its lock cannot be looked at.
    """
    if holder(folder) is not None:  # looked at first: a driver writes its result before it lets go
        return RunState.RUNNING
    return RunState.FINISHED if (folder / RESULT_NAME).is_file() else RunState.INTERRUPTED


@dataclass(frozen=True, slots=True)
class Holder:
    """Who drives a run.

    Attributes:
        pid: process id.
        host: the machine's name.
        since: ISO time, UTC.
    """

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


_UNKNOWN_HOLDER = Holder(0, "an unknown machine", "an unknown time")


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Makes this process the run's one driver; the lock's file stays in the folder.

    The kernel releases the lock when the process dies, however it dies. Processes it starts do not keep
    it: the descriptor is closed on exec (PEP 446), and released by name at the end, because a child that
    was forked only has it too. Such a child would keep it if the driver is killed; there are none here.

    Raises:
        RunFolderError: another process drives the run, or the folder cannot be locked.
    """
    with lock_file(folder / LOCK_NAME, f"run folder '{folder}'"):
        yield


@contextmanager
def lock_file(path: Path, what: str) -> Iterator[None]:
    """The same by a file of any name, which stands for something.

    Raises:
        RunFolderError: another process has it, or the file cannot be locked.
    """
    try:
        descriptor = _take_lock(path, what)
    except OSError as error:
        raise RunFolderError(f"cannot lock {what}: {error.strerror}") from error
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def holder(folder: Path) -> Holder | None:
    """Who drives the run at this moment, if anyone does.

    In the instant between a driver's taking the lock and its signing it, this is who had it before.

    Raises:
        RunFolderError: the lock cannot be looked at.
    """
    return holder_of_file(folder / LOCK_NAME, f"'{folder}'")


def holder_of_file(path: Path, what: str) -> Holder | None:
    """The same of a file of any name, which stands for something."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"cannot look at the lock of {what}: {error.strerror}") from error
    try:
        if not _try_flock(descriptor, fcntl.LOCK_SH):  # shared, so that readers do not see each other
            return _signature(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as error:
        raise RunFolderError(f"cannot look at the lock of {what}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return None


def _take_lock(path: Path, what: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # less the user's umask
    try:
        _await_flock(descriptor, what)
        _sign(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _await_flock(descriptor: int, what: str) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while not _try_flock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise RunFolderError(f"{what} is in use by {_signature(descriptor)}")
        time.sleep(0.01)


def _try_flock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    """Writes who holds the lock, so that a reader sees the first line whole, old or new."""
    me = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))
    line = f"{to_json(me)}\n".encode()
    os.pwrite(descriptor, line, 0)
    os.ftruncate(descriptor, len(line))


def _signature(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0).partition(b"\n")[0]))
    except (ValueError, TypeError):  # not signed yet, or not by us
        return _UNKNOWN_HOLDER

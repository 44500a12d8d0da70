"""A run's folder on disk: its place, its files, the lock of its one driver, its events, its state.

Everything else about a run is in its database (:mod:`lion_search.results.store`); the folder says where
that is. Importing this module imports neither the database nor the search.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lion_search.dsl.errors import LionSearchError
from lion_search.results.strict_json import to_json

RUNS_FOLDER = "runs"
DATABASE_NAME = "log.db"
CONFIG_NAME = "config.yaml"
DATABASE_URL_NAME = "database.txt"
"""Holds the database's URL, where it is not ``DATABASE_NAME``."""
EXPORTS_FOLDER = "exports"
RESULT_NAME = "result.json"
LOCK_NAME = "lock"
EVENTS_NAME = "events.jsonl"

_LOCK_SECONDS = 1.0
"""How long a driver tries to get its lock, which readers too hold for microseconds."""


class RunFolderError(LionSearchError):
    """A run folder that cannot be used."""


# Place.


def choose_folder(name: str, out: Path | None) -> Path:
    """The folder of a new run; it does not exist or is empty.

    Args:
        name: names a folder under ``RUNS_FOLDER`` where ``out`` is not given.
        out: the folder.

    Raises:
        RunFolderError: ``out`` is not empty, or no folder.
    """
    folder = out if out is not None else _free_folder(Path(RUNS_FOLDER), name)
    try:
        is_free = not folder.exists() or not any(folder.iterdir())
    except OSError as error:
        raise RunFolderError(f"cannot use run folder '{folder}': {error.strerror}") from error
    if not is_free:
        raise RunFolderError(f"run folder '{folder}' is not empty; name another with --out")
    return folder


def make_folder(folder: Path) -> None:
    """Makes the folder where it does not exist.

    Raises:
        RunFolderError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make run folder '{folder}': {error.strerror}") from error


def write_file(path: Path, text: str) -> None:
    """Writes a file at once: who reads it sees the old text or the new, also if this process is killed.

    Raises:
        RunFolderError: it cannot be written; the old one stays.
    """
    unfinished = path.with_suffix(".tmp")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RunFolderError(f"cannot write '{path}': {error.strerror}") from error


def _free_folder(parent: Path, name: str) -> Path:
    number = 1
    while (folder := parent / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder


def database_of(folder: Path) -> str | Path:
    """Where the run's log is: a database URL, or an SQLite file in the folder.

    Raises:
        RunFolderError: the file that names the database cannot be read.
    """
    elsewhere = folder / DATABASE_URL_NAME
    try:
        return elsewhere.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return folder / DATABASE_NAME
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"cannot read '{elsewhere}': {error}") from error


# Lock.


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
    try:
        descriptor = _take_lock(folder)
    except OSError as error:
        raise RunFolderError(f"cannot lock run folder '{folder}': {error.strerror}") from error
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
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"cannot look at the lock of '{folder}': {error.strerror}") from error
    try:
        if not _try_flock(descriptor, fcntl.LOCK_SH):  # shared, so that readers do not see each other
            return _signature(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as error:
        raise RunFolderError(f"cannot look at the lock of '{folder}': {error.strerror}") from error
    finally:
        os.close(descriptor)
    return None


def _take_lock(folder: Path) -> int:
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)  # less the user's umask
    try:
        _await_flock(descriptor, folder)
        _sign(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _await_flock(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while not _try_flock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise RunFolderError(f"run folder '{folder}' is in use by {_signature(descriptor)}")
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


# Events.


class Events:
    """The run's events, one JSON object a line: a convenience for people and their tools, never needed.

    There is one writer, the driver. What cannot be written is dropped: the database is the log.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        """Events of a run.

        Args:
            folder: the run's folder.
            warn: is told, in a line, of the first event that could not be written.
        """
        self._path = folder / EVENTS_NAME
        self._warn = warn
        self._has_warned = False

    def write(self, event: str, /, **fields: Any) -> None:
        """Appends an event with the time of now.

        Args:
            event: its name.
            fields: JSON values; numbers that are not finite become null.
        """
        assert not fields.keys() & {"time", "event"}, "these two are written here"
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = f"{to_json({'time': now, 'event': event, **fields})}\n"
        try:
            _append(self._path, line.encode())
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                self._warn(f"Events are not written: '{self._path}': {error.strerror}")


def _append(path: Path, line: bytes) -> None:
    """Appends a line by one write, all of it or nothing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        if (written := os.write(descriptor, line)) < len(line):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


# State.


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

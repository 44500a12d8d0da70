"""What happened to a run and when, for people and their tools: one JSON object a line, never needed by us."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lion_search.results.strict_json import to_json

EVENTS_NAME = "events.jsonl"


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

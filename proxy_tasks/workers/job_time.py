"""How much time a job has left: what its process could use, not what passed."""

from __future__ import annotations

import time

_LONGEST_LOOK_SECONDS = 0.5  # Beyond it this process was not merely waiting for a core.


class JobTime:
    """A number of seconds, from which is taken what a process could use while it was looked at.

    Not taken is what passed while nobody could look: this process was stopped too (a closed lid, SIGSTOP, a
    paused machine). Nor is what the process was ready to run and others had its core, where the kernel tells
    (Linux; its main thread, in which jobs run). A process that sleeps, or is stopped alone, uses its time.

    Attributes:
        left: seconds, to be read after a look; none at 0 or below.
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def begin(self, pid: int) -> None:
        """Takes time from now on for this process."""
        self._pid, self._seen, self._waited = pid, time.monotonic(), seconds_waited(pid)

    def look(self) -> None:
        """Takes what the process could use since the last look; to be called many times a second."""
        now, waited_before = time.monotonic(), self._waited
        self._waited = seconds_waited(self._pid)
        passed, waited = now - self._seen, self._waited - waited_before
        self._seen = now
        if passed > _LONGEST_LOOK_SECONDS:
            passed, waited = _LONGEST_LOOK_SECONDS, min(waited, _LONGEST_LOOK_SECONDS)
        self.left -= passed - waited  # A long wait is told when it has ended: more than has passed since.


def seconds_waited(pid: int) -> float:
    """For how long a process has waited for a core since it was started; 0 where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:  # noqa: PTH123 -- in a third of the time
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):  # no such file, or no such process any more
        return 0.0

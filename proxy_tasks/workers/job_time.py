"""How much time a job has: what its process could use, not what passed."""

from __future__ import annotations

import contextlib
import glob
import time
from pathlib import Path

_LONGEST_LOOK_SECONDS = 0.5  # Beyond it this process was not merely waiting for a core.


class JobTime:
    """A number of seconds, and what a process could use of them while it was looked at.

    Not counted is what passed while nobody could look: this process was stopped too (a closed lid, SIGSTOP, a
    paused machine). Nor is what the process was ready to run and others had its core, where the kernel tells
    (Linux). A process that sleeps, or is stopped alone, uses its time.

    Attributes:
        seconds: how many it has.
        passed: how many have passed; never less than it could use.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = 0.0
        self._over_at = seconds

    def begin(self, pid: int) -> None:
        """Counts from now on, for this process."""
        self._pid, self._seen = pid, time.monotonic()
        self._before: dict[str, tuple[float, float]] | None = None

    def is_over(self) -> bool:
        """Looks whether the process has used all its time; to be called many times a second."""
        now = time.monotonic()
        self.passed += min(now - self._seen, _LONGEST_LOOK_SECONDS)
        self._seen = now
        if (
            self._before is None
        ):  # Only now: most jobs have ended before, and to look at threads takes a while.
            self._before = seconds_of_threads(self._pid)
        if self.passed < self._over_at:
            return False
        self._over_at = self.passed + self.seconds - self._used(self._before)  # It cannot be over before.
        return self.passed >= self._over_at

    def _used(self, before: dict[str, tuple[float, float]]) -> float:
        """All that passed without its waiting for a core; but at least what its threads ran."""
        threads = seconds_of_threads(self._pid)
        ran = sum(own[0] - before.get(thread, (0, 0))[0] for thread, own in threads.items())
        waited = sum(own[1] - before.get(thread, (0, 0))[1] for thread, own in threads.items())
        return min(self.passed, max(ran, self.passed - waited))


def seconds_of_threads(pid: int) -> dict[str, tuple[float, float]]:
    """For how long each thread of a process has run and has waited for a core; none where nothing tells."""
    found = {}
    for path in glob.iglob(f"/proc/{pid}/task/*/schedstat"):  # noqa: PTH207 -- minds no process that is gone
        with contextlib.suppress(OSError, ValueError):  # a thread that has just ended
            ran, waited, _ = Path(path).read_text(encoding="ascii").split()
            found[path] = (int(ran) / 1e9, int(waited) / 1e9)
    return found

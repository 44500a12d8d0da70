"""Watches the process that evaluates from outside, and replaces it.

A `Supervisor` lives in each Ray actor. It runs nothing of a candidate's, imports neither JAX nor NumPy, and
never waits without looking: while the process (`child`) evaluates, the time, the resident memory and the
process itself are checked twenty times a second. It gives the process one payload at a time, so it knows
whose fault a death is. Payloads and results pass through it as bytes.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lion_search.proxy_tasks.workers.child import LENGTH, JobBatch
from lion_search.proxy_tasks.workers.job_time import JobTime
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind, JobLimits, PoolError, printable

_CHECK_SECONDS = 0.05
_REAP_SECONDS = 1.0  # A process in the kernel's hands (a driver, a network disk) may not die at once.
_CHUNK_BYTES = 2**18
_PIPE_BYTES = 2**20  # No pipe holds more, unless root has said so.
_MAX_WORDS_BYTES = 4096
_MAX_WORDS_LINES = 20
_MAX_FAILED_STARTS = 3
# The path is in order before anything is imported: see `ray_pool._worker_class`.
_COMMAND = """
import sys
parent, link, *sys.path = sys.argv[1:]
del sys.argv[1:]
from lion_search.proxy_tasks.workers.child import main
main(int(parent), int(link))
"""


class Supervisor:
    """Evaluates payloads in a process of its own, within limits.

    Args:
        factory: pickled; builds the evaluator in that process.
        environment: says on this machine which variables are added to this process's own.
        limits: what ends the process.
        batched: whether payloads are handed over in one call, see `InlinePool`.

    The process ends with the thread that called `start` or `evaluate`.
    """

    def __init__(
        self,
        factory: bytes,
        environment: Callable[[], Mapping[str, str]],
        limits: JobLimits,
        batched: bool = False,
    ) -> None:
        self._batched = batched
        self._factory = factory
        self._environment = dict(environment())
        self._start_seconds = limits.start_seconds
        self._seconds = math.inf if limits.seconds_per_job is None else limits.seconds_per_job
        self._memory_bytes = math.inf if limits.memory_bytes is None else limits.memory_bytes
        self._child: _Child | None = None

    def start(self) -> None:
        """Starts a process and waits until the evaluator is built; does nothing where one is ready.

        Raises:
            PoolError: the factory raises or takes too much memory, or three processes in a row end early.
        """
        if self._child is not None and self._child.is_alive():
            return
        reason = ""
        for _ in range(_MAX_FAILED_STARTS):
            self.close()
            self._child = _Child(self._environment)
            answer = self._child.ask(self._factory, JobTime(self._start_seconds), self._memory_bytes)
            if answer == b"":
                return
            if isinstance(answer, bytes):
                raise PoolError(answer.decode())
            if answer.kind is FailureKind.OUT_OF_MEMORY:
                raise PoolError(f"a worker could not start, without any job: {answer.reason}")
            reason = answer.reason
        raise PoolError(f"{_MAX_FAILED_STARTS} workers in a row ended while starting; the last: {reason}")

    def evaluate(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Evaluates pickled payloads in order, up to the first that costs the process.

        The caller hands in the others again: so no outcome waits until a new process is ready.

        Returns:
            For each payload, or the first of them, at least one, a pickled pair: its value, and its
            `Failure` or None.

        Raises:
            PoolError: no process can be started.
        """
        if self._batched and len(payloads) > 1:
            self.start()
            assert self._child is not None
            message = pickle.dumps(JobBatch(tuple(payloads)))
            answers = self._child.ask(message, JobTime(self._seconds), self._memory_bytes)
            if not isinstance(answers, Failure):
                return list(pickle.loads(answers))  # noqa: S301 -- from our own child
            # Whose fault it was shows when each is alone.
        replies: list[bytes] = []
        for payload in payloads:
            reply = self._evaluate(payload)
            if isinstance(reply, Failure):
                return [*replies, pickle.dumps((None, reply))]
            replies.append(reply)
        return replies

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _evaluate(self, payload: bytes) -> bytes | Failure:
        """Evaluates one payload, and a second time should its process die: it may have died of others.

        The second attempt has the time that the first one left.
        """
        self.start()
        assert self._child is not None
        job_time = JobTime(self._seconds)
        first = self._child.ask(payload, job_time, self._memory_bytes)
        if not isinstance(first, Failure) or first.kind is not FailureKind.DIED:
            return first
        self.start()
        job_time = JobTime(self._seconds - job_time.passed)
        second = self._child.ask(payload, job_time, self._memory_bytes)
        if not isinstance(second, Failure) or second.kind is FailureKind.OUT_OF_MEMORY:
            return second
        if second.kind is FailureKind.TIMED_OUT:
            return first
        return replace(second, reason=f"it died twice; the last time: {second.reason}")


class _Child:
    """The process, the socket to it, and the pipe of what it prints."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._link, theirs = socket.socketpair()
        self._pipe, printed = os.pipe()
        try:
            arguments = [str(os.getpid()), str(theirs.fileno()), *sys.path]
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and text
                [sys.executable, "-c", _COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                env={**os.environ, **environment},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal is not for it, and its group dies with it.
            )
        finally:
            theirs.close()
            os.close(printed)
        self._link.setblocking(False)
        os.set_blocking(self._pipe, False)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        self._has_ended = False
        self._outbox = memoryview(b"")
        self._inbox = bytearray()
        self._words = bytearray()

    def is_alive(self) -> bool:
        return not self._has_ended and self._process.poll() is None

    def ask(self, message: bytes, job_time: JobTime, memory_bytes: float) -> bytes | Failure:
        """Sends a message and waits for the answer; on a `Failure` the process has ended."""
        self._outbox = memoryview(LENGTH.pack(len(message)) + message)
        self._words.clear()
        job_time.begin(self._process.pid)
        checked = time.monotonic()
        while True:
            # First what is there: it may have come while this process was stopped.
            is_open = self._exchange(_CHECK_SECONDS)
            if (answer := self._answer()) is not None:
                return answer
            if not is_open:
                return self._fail(FailureKind.DIED, self._death())
            if time.monotonic() - checked < _CHECK_SECONDS:
                continue
            checked = time.monotonic()
            if job_time.is_over():
                return self._fail(FailureKind.TIMED_OUT, f"it took longer than {job_time.seconds:.3g} s")
            if not self.is_alive():  # Although the socket is open: a process it left behind has it too.
                return self._fail(FailureKind.DIED, self._death())
            if memory_bytes < math.inf and resident_bytes(self._process.pid) > memory_bytes:
                what = f"it took more than {memory_bytes / 2**20:.0f} MiB"
                return self._fail(FailureKind.OUT_OF_MEMORY, what)

    def end(self) -> None:
        """Kills the process and its group, and waits for its end."""
        if not self._has_ended:
            self._kill()
            self._close()

    def _fail(self, kind: FailureKind, what: str) -> Failure:
        """Ends the process; the failure tells what it printed last."""
        self._kill()
        self._listen()
        self._close()
        lines = printable(self._words.decode(errors="replace")).strip().splitlines()[-_MAX_WORDS_LINES:]
        return Failure(kind, "\n".join([what, *lines]))

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)

    def _close(self) -> None:
        self._has_ended = True
        self._link.close()
        os.close(self._pipe)

    def _death(self) -> str:
        """How the process ended, or that it has closed its socket."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)
        status = self._process.returncode
        if status is None:
            return "its process closed the connection"
        if status >= 0:
            return f"its process exited with status {status}"
        names = {int(number): number.name for number in signal.Signals}
        return f"its process was killed by {names.get(-status, f'signal {-status}')}"

    def _answer(self) -> bytes | None:
        """The answer, once it is complete."""
        if len(self._inbox) < LENGTH.size:
            return None
        end = LENGTH.size + LENGTH.unpack_from(self._inbox)[0]
        if len(self._inbox) < end:
            return None
        answer = bytes(self._inbox[LENGTH.size : end])
        del self._inbox[:end]
        return answer

    def _exchange(self, seconds: float) -> bool:
        """Waits for the process to take, answer or print something; False when its socket is closed."""
        self._poll.register(self._link, select.POLLIN | (select.POLLOUT if self._outbox else 0))
        is_open = True
        for descriptor, events in self._poll.poll(1000 * seconds):
            if descriptor == self._link.fileno():
                is_open = self._talk()
            elif events & select.POLLIN:
                self._listen()
            else:  # Nobody is left who could print.
                self._poll.unregister(self._pipe)
        return is_open

    def _talk(self) -> bool:
        """Sends and receives what goes without waiting; False when the socket is closed."""
        try:
            if self._outbox:
                with contextlib.suppress(BlockingIOError):
                    self._outbox = self._outbox[self._link.send(self._outbox) :]
            received = self._link.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False
        self._inbox += received
        return bool(received)

    def _listen(self) -> None:
        """Takes what the pipe holds now, and keeps the end."""
        with contextlib.suppress(BlockingIOError):
            self._words += os.read(self._pipe, _PIPE_BYTES)
        del self._words[:-_MAX_WORDS_BYTES]


def resident_bytes(root: int) -> int:
    """Resident memory of a process and of all below it.

    On Linux without what other threads than the main one have started: to look at each thread takes ten
    times as long, and jobs run in the main thread. A copy (`fork`) of the size of its original shares all
    pages with it and does not count; for a moment, every process that is being started is one.
    """
    if not Path("/proc/self/statm").exists():
        import psutil

        process = psutil.Process(root)
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
    pages, found = 0, [(root, "")]
    for pid, size_above in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It may end at any moment.
            size, resident = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[:2]
            pages += int(resident) if size != size_above else 0
            below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
            found += [(int(child), size) for child in below]
    return pages * os.sysconf("SC_PAGE_SIZE")

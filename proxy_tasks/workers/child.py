"""The process that evaluates: builds the evaluator, then answers one payload at a time over a socket.

A `supervisor.Supervisor` starts it, watches it and kills it. Both ends speak in messages, a length and as
many bytes. The first message is the pickled factory; its answer is empty, or the text of what went wrong.
Every other message is a pickled payload; its answer is a pickled pair of a value and a `Failure` or None, or
a list of such answers where the payload is `JobBatch`.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.workers.pool import (
    Evaluate,
    build,
    evaluate_batch,
    evaluate_one,
    failure_of,
    printable,
)

LENGTH = struct.Struct("!Q")
"""What stands before each message: how many bytes it has."""

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(parent: int, descriptor: int) -> None:
    """Serves until the other end of the socket is closed.

    Args:
        parent: process id of the supervisor.
        descriptor: of the socket.
    """
    end_with(parent)
    # A dump of all its memory would keep a process that aborts alive for seconds.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    link = socket.socket(fileno=descriptor)
    own_id = os.getpid()
    with link.makefile("rb") as requests:
        evaluate = _serve_start(link, _receive(requests))
        while evaluate is not None and (payload := _receive(requests)) is not None:
            reply = answer(evaluate, payload)
            if os.getpid() != own_id:
                os._exit(0)  # The job has forked, and this is the copy.
            _send(link, reply)
    os._exit(0)  # At once: nobody is there to wait for threads and exit handlers of the evaluator's.


def end_with(parent: int) -> None:
    """Has the kernel kill this process when its parent ends; elsewhere than on Linux a thread does."""
    if sys.platform == "linux":
        # By the parent's thread that started this process, not by the parent as a whole.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # It ended before the line above.
        os._exit(0)


@dataclass(frozen=True, slots=True)
class JobBatch:
    """A payload of pickled payloads, to be evaluated in one call; its answer is a pickled list of answers."""

    payloads: tuple[bytes, ...]


def answer(evaluate: Evaluate, payload: bytes) -> bytes:
    """The pickled value and failure of a pickled payload; whatever is raised is the job's failure."""
    try:
        job = pickle.loads(payload)  # noqa: S301 -- from our driver
        if isinstance(job, JobBatch):
            return _answer_batch(evaluate, job.payloads)
        value = evaluate_one(evaluate, job)
    except BaseException as error:  # noqa: BLE001 -- SystemExit and KeyboardInterrupt are the job's too
        return pickle.dumps((None, failure_of(error)))
    return _pickled(value)


def _answer_batch(evaluate: Evaluate, payloads: Sequence[bytes]) -> bytes:
    try:
        jobs = [pickle.loads(payload) for payload in payloads]  # noqa: S301 -- from our driver
        answers = [_pickled(value) for value in evaluate_batch(evaluate, jobs)]
    except BaseException:  # noqa: BLE001 -- whose fault it is shows when each is alone
        answers = [answer(evaluate, payload) for payload in payloads]
    return pickle.dumps(answers)


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps((value, None))
    except BaseException as error:  # noqa: BLE001 -- what pickles it may be the candidate's
        return pickle.dumps((None, failure_of(error, "its result cannot be pickled: ")))


def _serve_start(link: socket.socket, factory: bytes | None) -> Evaluate | None:
    if factory is None:
        return None
    try:
        evaluate = build(pickle.loads(factory))  # noqa: S301 -- from our driver
    except LionSearchError as error:
        _send(link, printable(str(error)).encode())
    except BaseException as error:  # noqa: BLE001 -- is an error of the driver's
        _send(link, failure_of(error, "a worker could not start: ").reason.encode())
    else:
        _send(link, b"")
        return evaluate
    return None


def _receive(requests: BinaryIO) -> bytes | None:
    """The next message, or None at the end of what the supervisor sends."""
    head = requests.read(LENGTH.size)
    return requests.read(*LENGTH.unpack(head)) if len(head) == LENGTH.size else None


def _send(link: socket.socket, message: bytes) -> None:
    link.sendall(LENGTH.pack(len(message)))
    link.sendall(message)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)

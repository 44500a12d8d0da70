"""A pool of Ray actors, one core each; each watches a process of its own, in which jobs are evaluated.

What a job may do to its process is dealt with in the actor, see `supervisor`. This module deals with the
loss of an actor: it is rare (the machine is gone, or a job has killed the actor too), and then nobody knows
which job was to blame.

The driver never imports what the workers run. Importing this module does not import Ray; constructing a
`RayPool` does. Ctrl-C reaches only the driver (Ray blocks SIGINT in its processes, and workers have process
groups of their own), so a driver whose handler sets a flag can collect what is running and close in order.
A SIGTERM to the whole process group ends Ray too; then collect nothing and call `close`.
"""

from __future__ import annotations

import math
import pickle
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lion_search.proxy_tasks.workers.environment import with_gpu
from lion_search.proxy_tasks.workers.pool import (
    NO_LIMITS,
    Factory,
    Failure,
    FailureKind,
    Finished,
    JobLimits,
    PoolError,
    failure_of,
    printable,
)
from lion_search.proxy_tasks.workers.ray_cluster import check_resources, start_ray, stop_ray
from lion_search.proxy_tasks.workers.supervisor import Supervisor

_MAX_FAILED_STARTS = 3  # Workers lost in a row before one of them was ready.


@dataclass(frozen=True, slots=True)
class _Job:
    job_id: int
    payload: bytes
    retried: bool = False  # Its worker died; it runs alone now.


@dataclass(frozen=True, slots=True)
class _Call:
    """A remote call not settled yet: a batch of `jobs`, or none for the call that starts a worker."""

    reference: Any
    jobs: tuple[_Job, ...]


@dataclass(slots=True)
class _Seat:
    """A place for one worker: its actor, and its calls in the order in which it runs them."""

    actor: Any
    calls: deque[_Call] = field(default_factory=deque)
    failed_starts: int = 0  # Workers lost here in a row before one was ready.


class RayPool:
    """A `Pool` of Ray actors, one core each.

    Args:
        factory: builds the evaluator in the process of each worker.
        num_workers: actors.
        environment: environment variables of that process.
        batch_size: most jobs in one remote call.
        depth: calls queued at a worker, the running one included; from 2 on it never waits for the driver.
        address: of a running cluster to connect to; None starts a private one on this machine.
        limits: what ends a worker's process and is the failure of its job.
        batched: whether a worker evaluates the jobs of a call in one; see `InlinePool`.
        gpus_per_worker: a worker's part of one GPU, at most 1, or a number of whole ones. JAX in a worker
            then runs on the GPU and takes 90 % of that part of its memory at once.

    Raises:
        PoolError: not in the main thread, or more cores or GPUs than there are.
    """

    def __init__(
        self,
        factory: Factory,
        *,
        num_workers: int,
        environment: Mapping[str, str],
        batch_size: int = 8,
        depth: int = 2,
        address: str | None = None,
        limits: JobLimits = NO_LIMITS,
        batched: bool = False,
        gpus_per_worker: float = 0.0,
        _num_gpus: int | None = None,  # As many as the tests say, on a machine without any.
    ) -> None:
        self._batch_size = batch_size
        self._depth = depth
        self._pending: deque[_Job] = deque()
        self._suspects: deque[_Job] = deque()  # Lost with a worker once; retried alone.
        environment = with_gpu(environment, gpus_per_worker)
        # Pickled here, unpickled in the worker once its sys.path is in order: see `_worker_class`.
        self._start_arguments = (
            [str(Path(path).absolute()) for path in sys.path],
            Supervisor.__module__,
            pickle.dumps((pickle.dumps(factory), environment, limits, batched)),
        )
        num_gpus = _num_gpus if gpus_per_worker else 0
        self._ray, self._guard = start_ray(num_workers, num_gpus, address)
        try:
            check_resources(self._ray.cluster_resources(), num_workers, gpus_per_worker)
        except PoolError:
            stop_ray(self._guard)
            raise
        options = {"num_cpus": 1, "num_gpus": gpus_per_worker, "max_restarts": 0, "max_task_retries": 0}
        self._actor_class = self._ray.remote(**options)(_worker_class())
        self._seats = [self._new_seat() for _ in range(num_workers)]
        self._closed = False

    @property
    def in_flight(self) -> int:
        called = sum(len(call.jobs) for seat in self._seats for call in seat.calls)
        return len(self._pending) + len(self._suspects) + called

    @property
    def room(self) -> int:
        return max(0, len(self._seats) * self._depth * self._batch_size - self.in_flight)

    def submit(self, job_id: int, payload: Any) -> None:
        self._pending.append(_Job(job_id, pickle.dumps(payload)))
        if len(self._pending) >= self._batch_size:
            self._dispatch()

    def wait(self, timeout_seconds: float) -> list[Finished]:
        deadline = time.monotonic() + timeout_seconds
        outcomes: list[Finished] = []
        while not outcomes and self.in_flight:
            self._dispatch()
            references = [seat.calls[0].reference for seat in self._seats if seat.calls]
            remaining_seconds = max(0.0, deadline - time.monotonic())
            ready, _ = self._ray.wait(references, num_returns=1, timeout=remaining_seconds)
            if not ready:
                break
            for seat in self._seats:
                self._settle(seat, outcomes)
        return outcomes

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._pending.clear()
        self._suspects.clear()
        for seat in self._seats:
            seat.calls.clear()
            self._ray.kill(seat.actor)
        stop_ray(self._guard)

    def _dispatch(self) -> None:
        """Hands suspects to idle workers, and batches to workers with fewer than `depth` calls.

        A batch is no larger than a worker's share of what is pending, so that few long jobs keep all busy.
        """
        for seat in sorted(self._seats, key=lambda seat: len(seat.calls)):
            if self._suspects and not any(call.jobs for call in seat.calls):
                self._call(seat, [self._suspects.popleft()])
        while self._pending and (free := [seat for seat in self._seats if self._has_room(seat)]):
            seat = min(free, key=lambda seat: len(seat.calls))
            share = math.ceil(len(self._pending) / len(free))
            self._call(seat, [self._pending.popleft() for _ in range(min(self._batch_size, share))])

    def _has_room(self, seat: _Seat) -> bool:
        """Whether a worker may have one more call; what may have killed another is alone."""
        return len(seat.calls) < self._depth and not any(j.retried for call in seat.calls for j in call.jobs)

    def _call(self, seat: _Seat, jobs: list[_Job]) -> None:
        seat.calls.append(_Call(seat.actor.evaluate.remote([job.payload for job in jobs]), tuple(jobs)))

    def _new_seat(self) -> _Seat:
        actor = self._actor_class.remote()
        return _Seat(actor, deque([_Call(actor.start.remote(*self._start_arguments), ())]))

    def _settle(self, seat: _Seat, outcomes: list[Finished]) -> None:
        """Collects the finished calls of a worker; replaces the worker if it died."""
        while seat.calls:
            call = seat.calls[0]
            if not self._ray.wait([call.reference], timeout=0)[0]:
                return
            try:
                replies = self._ray.get(call.reference)
            except self._ray.exceptions.RayTaskError as error:
                raise PoolError(_task_error(error)) from error
            except self._ray.exceptions.RayError as error:
                self._replace(seat, str(error), outcomes)
                return
            seat.calls.popleft()
            seat.failed_starts = 0
            outcomes += [_outcome(job, reply) for job, reply in zip(call.jobs, replies, strict=False)]
            # The worker stopped where it lost its process; what it did not begin goes to whoever is free.
            self._pending.extendleft(reversed(call.jobs[len(replies) :]))

    def _replace(self, seat: _Seat, reason: str, outcomes: list[Finished]) -> None:
        """Puts a new worker in the place of a dead one.

        Which job killed it is not known: a call that finished just before may have lost its result too. So
        every job the worker had is retried once alone, and a job whose worker dies while it is alone is the
        culprit.
        """
        starting = bool(seat.calls) and not seat.calls[0].jobs
        seat.failed_starts += starting
        if seat.failed_starts >= _MAX_FAILED_STARTS:
            raise PoolError(f"{seat.failed_starts} workers in a row died while starting; the last: {reason}")
        for job in [job for call in seat.calls for job in call.jobs]:
            if starting:
                (self._suspects if job.retried else self._pending).append(job)
            elif job.retried:
                lost = printable(f"its worker died twice; the last time: {_summary(reason)}")
                outcomes.append(Finished(job.job_id, failure=Failure(FailureKind.DIED, lost)))
            else:
                self._suspects.append(replace(job, retried=True))
        fresh = self._new_seat()
        seat.actor, seat.calls = fresh.actor, fresh.calls


def _outcome(job: _Job, reply: bytes) -> Finished:
    try:
        value, failure = pickle.loads(reply)  # noqa: S301 -- from our worker
    except Exception as error:  # noqa: BLE001 -- what unpickles it may be the candidate's
        return Finished(job.job_id, failure=failure_of(error, "its result cannot be unpickled: "))
    return Finished(job.job_id, value, failure)


def _summary(reason: str) -> str:
    """What matters in Ray's long messages: the worker's exit, or else the last line."""
    detail = reason.partition("Worker exit detail: ")[2].partition(". Some common causes")[0]
    return detail or reason.strip().rpartition("\n")[2].strip()


def _task_error(error: Any) -> str:
    """What a worker raised: a PoolError's own message, or else the whole story."""
    cause = error.cause
    return str(cause) if isinstance(cause, PoolError) else f"a worker failed: {error}"


def _worker_class() -> type:
    """The actor's class.

    A class inside a function is pickled by value. So a worker imports nothing of ours before `start`, and
    finds no `numpy.py` in the folder the driver was started in, which Ray puts first on its sys.path.
    """

    class Worker:
        def start(self, search_path: list[str], module: str, arguments: bytes) -> list[bytes]:
            import importlib
            import pickle
            import sys

            sys.path[:] = search_path + [path for path in sys.path if path not in search_path]
            supervisor = importlib.import_module(module).Supervisor
            self._supervisor = supervisor(*pickle.loads(arguments))  # noqa: S301 -- from our driver
            self._supervisor.start()
            return []

        def evaluate(self, payloads: list[bytes]) -> list[bytes]:
            replies: list[bytes] = self._supervisor.evaluate(payloads)
            return replies

    return Worker

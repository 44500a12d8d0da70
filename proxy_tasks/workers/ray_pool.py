"""A pool of Ray actors, one core each; each watches a process of its own, in which jobs are evaluated.

What a job may do to its process is dealt with in the actor, see `supervisor`. This module deals with the
loss of an actor. Where its node is gone, nobody is to blame: its jobs are evaluated elsewhere. Else a job has
killed the actor too, which is rare, and nobody knows which.

A private cluster has as many workers as were asked for. In a cluster that is joined workers come and go: an
actor without a place waits for one, and gets jobs once it is up.

The driver never imports what the workers run. Importing this module does not import Ray; constructing a
`RayPool` does. Ctrl-C reaches only the driver (Ray blocks SIGINT in its processes, and workers have process
groups of their own), so a driver whose handler sets a flag can collect what is running and close in order.
A SIGTERM to the whole process group ends Ray too; then collect nothing and call `close`.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lion_search.dsl.shown import plural
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
from lion_search.proxy_tasks.workers.ray_cluster import start_ray, stop_ray
from lion_search.proxy_tasks.workers.resources import (
    ONE_CORE,
    Node,
    WorkerResources,
    check_room,
    check_room_for_one,
    usual,
)
from lion_search.proxy_tasks.workers.versions import versions

_MAX_FAILED_STARTS = 3  # Workers lost in a row before one of them was ready.
_WAIT_SECONDS = 60.0  # Until a person is told that no worker is up.
_GONE_LOOKS, _GONE_SECONDS = 8, 0.25
_LOOK_SECONDS = 5.0  # How often a cluster that is joined is asked what has come and gone.


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
    node: str = ""  # Where the actor is; empty until it is up.
    is_late: bool = False  # Whether it came to a cluster that others had room in.


class RayPool:
    """A `Pool` of Ray actors, one core each.

    Args:
        factory: builds the evaluator in the process of each worker.
        num_workers: actors; None is as many as the cluster that is joined has room for, and more as it grows.
        environment: says on the worker's machine which variables that process has.
        batch_size: most jobs in one remote call.
        depth: calls queued at a worker, the running one included; from 2 on it never waits for the driver.
        address: of a running cluster to join; None starts a private one on this machine.
        modules: files and folders of Python code that the nodes of a cluster that is joined get from here.
        resources: what Ray keeps for each worker. JAX in a worker with a part of a GPU runs on it and takes
            90 % of that part of its memory at once.
        limits: what ends a worker's process and is the failure of its job.
        batched: whether a worker evaluates the jobs of a call in one; see `InlinePool`.
        report: is told, in a line, how a cluster that is joined comes and goes.

    Raises:
        PoolError: not in the main thread, no cluster at the address, or no room for the workers.
    """

    def __init__(
        self,
        factory: Factory,
        *,
        num_workers: int | None,
        environment: Callable[[], Mapping[str, str]],
        batch_size: int = 8,
        depth: int = 2,
        address: str | None = None,
        modules: Sequence[str] = (),
        resources: WorkerResources = ONE_CORE,
        limits: JobLimits = NO_LIMITS,
        batched: bool = False,
        report: Callable[[str], None] = lambda line: None,
        _num_gpus: int | None = None,  # As many as the tests say, on a machine without any.
    ) -> None:
        self._batch_size = batch_size
        self._depth = depth
        self._pending: deque[_Job] = deque()
        self._suspects: deque[_Job] = deque()  # Lost with a worker once; retried alone.
        self._is_joined = address is not None
        self._resources = resources
        self._report = report
        # Pickled here, unpickled in the worker once its sys.path is in order: see `_worker_class`.
        self._start_arguments = (
            [str(Path(path).absolute()) for path in sys.path],
            __package__,
            pickle.dumps(
                (
                    versions(),
                    pickle.dumps(factory),
                    partial(with_gpu, environment, resources.gpus),
                    limits,
                    batched,
                )
            ),
        )
        cpus = math.ceil(resources.cpus * (num_workers or 0))
        self._ray, self._guard = start_ray(cpus, _num_gpus if resources.gpus else 0, address, modules)
        try:
            nodes = self._nodes()
            if self._is_joined:
                check_room_for_one([*nodes.values()], resources)
            else:
                check_room([*nodes.values()], num_workers or 0, resources)
        except PoolError:
            stop_ray(self._guard)
            raise
        options = {
            "num_cpus": resources.cpus,
            "num_gpus": resources.gpus,
            "resources": dict(resources.custom),
        }
        options |= {"max_restarts": 0, "max_task_retries": 0}
        self._actor_class = self._ray.remote(**options)(_worker_class())
        self._grows = num_workers is None
        self._num_nodes = len(nodes)
        self._num_refused = 0
        self._began = self._looked = self._waits_since = time.monotonic()
        count = resources.room([*nodes.values()]) if num_workers is None else num_workers
        if self._is_joined:
            report(f"The cluster has {plural(len(nodes), 'node')}; {plural(count, 'worker')} of {resources}")
        self._seats = [self._new_seat() for _ in range(count)]
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
            if self._is_joined:
                self._look_around()
                remaining_seconds = min(_LOOK_SECONDS, remaining_seconds)
            if not self._ray.wait(references, num_returns=1, timeout=remaining_seconds)[0]:
                if time.monotonic() < deadline:
                    continue
                break
            ready = {*self._ray.wait(references, num_returns=len(references), timeout=0)[0]}
            for seat in [seat for seat in self._seats if seat.calls and seat.calls[0].reference in ready]:
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

        A batch is an even share of what is pending among all calls that workers may have, or less: so no
        worker runs out of jobs long before the others, be they few and long (factoring: Hummel et al. 1992).
        """
        if self._suspects:
            for seat in sorted(self._seats, key=lambda seat: len(seat.calls)):
                if self._suspects and self._has_room(seat) and not any(call.jobs for call in seat.calls):
                    self._call(seat, [self._suspects.popleft()])
        if not self._pending:
            return
        starting = sum(not seat.node for seat in self._seats) if self._is_beginning() else 0
        free = [
            (len(seat.calls), i)
            for i, seat in enumerate(self._seats)
            if len(seat.calls) < self._depth and self._has_room(seat)  # of thousands few have
        ]
        heapq.heapify(free)
        while self._pending and free:
            num_calls, i = free[0]
            if num_calls and len(self._pending) <= starting:
                break  # they are for workers that will be up soon
            share = math.ceil(len(self._pending) / (len(self._seats) * self._depth))
            self._call(self._seats[i], [self._pending.popleft() for _ in range(min(self._batch_size, share))])
            if self._has_room(self._seats[i]):
                heapq.heapreplace(free, (num_calls + 1, i))
            else:
                heapq.heappop(free)

    def _is_beginning(self) -> bool:
        """Whether the workers of a cluster that was joined may still be starting."""
        return self._is_joined and time.monotonic() < self._began + _WAIT_SECONDS

    def _has_room(self, seat: _Seat) -> bool:
        """Whether a worker may have one more call; what may have killed another is alone.

        In a cluster that was joined it must be up: it may be long until there is a place for it.
        """
        is_alone = any(job.retried for call in seat.calls for job in call.jobs)
        is_there = bool(seat.node) or not self._is_joined
        return is_there and len(seat.calls) < self._depth and not is_alone

    def _call(self, seat: _Seat, jobs: list[_Job]) -> None:
        seat.calls.append(_Call(seat.actor.evaluate.remote([job.payload for job in jobs]), tuple(jobs)))

    def _new_seat(self, *, is_late: bool = False) -> _Seat:
        actor = self._actor_class.remote()
        start = _Call(actor.start.remote(*self._start_arguments), ())
        return _Seat(actor, deque([start]), is_late=is_late)

    def _nodes(self) -> dict[str, Node]:
        """What each node that is there has, by its id."""
        return {node["NodeID"]: usual(node["Resources"]) for node in self._ray.nodes() if node["Alive"]}

    def _look_around(self) -> None:
        """Says what has come to the cluster or gone, and takes workers where it has grown."""
        now = time.monotonic()
        if any(seat.node for seat in self._seats):
            self._waits_since = now
        elif now - self._waits_since > _WAIT_SECONDS:
            self._waits_since = math.inf  # said once
            self._report("Waiting: no worker is up, the cluster may have no room for one at present")
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        nodes = self._nodes()
        if len(nodes) != self._num_nodes:
            self._num_nodes = len(nodes)
            self._report(f"The cluster has {plural(len(nodes), 'node')} now")
        if self._grows:
            wanted = self._resources.room([*nodes.values()]) - self._num_refused
            self._seats += [self._new_seat(is_late=True) for _ in range(wanted - len(self._seats))]

    def _settle(self, seat: _Seat, outcomes: list[Finished]) -> None:
        """Collects the finished calls of a worker; replaces the worker if it died."""
        while seat.calls:
            call = seat.calls[0]
            if not self._ray.wait([call.reference], timeout=0)[0]:
                return
            try:
                replies = self._ray.get(call.reference)
            except self._ray.exceptions.RayTaskError as error:
                reason = _task_error(error) + (f" (on the node {error.ip})" if self._is_joined else "")
                if seat.is_late and not seat.node:
                    self._refuse(seat, reason)
                    return
                raise PoolError(reason) from error
            except self._ray.exceptions.RayError as error:
                self._replace(seat, error, outcomes)
                return
            seat.calls.popleft()
            if not seat.node:
                seat.node, seat.failed_starts = replies[0].decode(), 0
                continue
            outcomes += [_outcome(job, reply) for job, reply in zip(call.jobs, replies, strict=False)]
            # The worker stopped where it lost its process; what it did not begin goes to whoever is free.
            self._pending.extendleft(reversed(call.jobs[len(replies) :]))

    def _refuse(self, seat: _Seat, reason: str) -> None:
        """Does without a worker that came later and cannot start where it is."""
        self._seats.remove(seat)
        self._num_refused += 1
        self._ray.kill(seat.actor)
        self._report(f"A worker that has come cannot start, and is left out: {reason}")
        if not self._seats:
            raise PoolError(f"no worker is left; the last one could not start: {reason}")

    def _replace(self, seat: _Seat, error: Exception, outcomes: list[Finished]) -> None:
        """Puts a new worker in the place of a dead one.

        Which job killed it is not known: a call that finished just before may have lost its result too. So
        every job the worker had is retried once alone, and a job whose worker dies while it is alone is the
        culprit. Where the worker's node is gone nobody is.
        """
        reason, has_gone = str(error), self._is_joined and self._has_gone(seat, error)
        if not seat.node and not has_gone:
            seat.failed_starts += 1
            if seat.failed_starts >= _MAX_FAILED_STARTS:
                told = f"{seat.failed_starts} workers in a row died while starting; the last: {reason}"
                if seat.is_late:
                    self._refuse(seat, told)
                    return
                raise PoolError(told)
        for job in [job for call in seat.calls for job in call.jobs]:
            if has_gone or not seat.node:
                (self._suspects if job.retried else self._pending).append(job)
            elif job.retried:
                lost = printable(f"its worker died twice; the last time: {_summary(reason)}")
                outcomes.append(Finished(job.job_id, failure=Failure(FailureKind.DIED, lost)))
            else:
                self._suspects.append(replace(job, retried=True))
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(seat.actor)  # it may only be out of reach
        fresh = self._new_seat()
        seat.actor, seat.calls, seat.node, seat.is_late = fresh.actor, fresh.calls, "", self._is_joined

    def _has_gone(self, seat: _Seat, error: Exception) -> bool:
        """Whether the loss of a worker is that of its node, of which Ray may hear a little later."""
        if isinstance(error, self._ray.exceptions.ActorUnavailableError) or "node has died" in str(error):
            return True
        for _ in range(_GONE_LOOKS if seat.node else 0):
            if seat.node not in self._nodes():
                return True
            time.sleep(_GONE_SECONDS)
        return False


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
        def start(self, search_path: list[str], package: str, arguments: bytes) -> list[bytes]:
            import importlib
            import pickle
            import sys

            import ray

            sent = [path for path in sys.path if "py_modules_files" in path]  # where Ray puts what it is sent
            first = [*sent, *search_path]
            sys.path[:] = [*first, *(path for path in sys.path if path not in first)]
            expected, *others = pickle.loads(arguments)  # noqa: S301 -- from our driver
            importlib.import_module(package + ".versions").check_versions(expected)
            self._supervisor = importlib.import_module(package + ".supervisor").Supervisor(*others)
            self._supervisor.start()
            return [ray.get_runtime_context().get_node_id().encode()]

        def evaluate(self, payloads: list[bytes]) -> list[bytes]:
            replies: list[bytes] = self._supervisor.evaluate(payloads)
            return replies

    return Worker

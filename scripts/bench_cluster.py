"""What one driver sustains where there are many workers.

    python scripts/bench_cluster.py messages   real Ray messages: jobs a second, and what one costs the
                                               driver, for several batch sizes
    python scripts/bench_cluster.py simulate   a search on workers whose jobs take minutes, that fail and are
                                               preempted, on a simulated clock which the driver's own
                                               processor time moves too

In `messages` driver, pool, pickled jobs and Ray's calls are those of a run; but 100 workers each live in one
actor, which answers for them after the time a job would take, so that 1,000 fit into memory.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import math
import pickle
import random
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench_search import FakePool, Run, make_search

from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.workers.pool import Finished
from lion_search.proxy_tasks.workers.ray_pool import RayPool, _Call, _Seat
from lion_search.proxy_tasks.workers.resources import WorkerResources
from lion_search.results.store import Store
from lion_search.search.settings import Budget, Order, PopulationSettings, SearchSettings

WORKERS_IN_A_PROCESS = 100


def _answering_class() -> type:
    """An actor's class that answers for many workers, each of which does one call after the other.

    Inside a function, so that it is pickled by value and imports nothing of ours before its path is set.
    """

    class Answering:
        def __init__(self, search_path: list[str], seconds: tuple[float, float]) -> None:
            import sys

            sys.path[:] = [*dict.fromkeys([*search_path, *sys.path])]
            from bench_search import fake_result

            self._fake_result = fake_result
            self._seconds = seconds
            self._busy = defaultdict[int, asyncio.Lock](asyncio.Lock)

        async def start(self, worker: int) -> list[bytes]:
            return [b"node"]

        async def evaluate(self, worker: int, payloads: list[bytes]) -> list[bytes]:
            async with self._busy[worker]:
                if seconds := sum(random.uniform(*self._seconds) for _ in payloads):
                    await asyncio.sleep(seconds)
            jobs = [pickle.loads(payload) for payload in payloads]  # noqa: S301 -- from our driver
            return [pickle.dumps((self._fake_result(job), None)) for job in jobs]

    return Answering


class _Method:
    def __init__(self, method: Any, worker: int) -> None:
        self._method, self._worker = method, worker

    def remote(self, *arguments: Any) -> Any:
        return self._method.remote(self._worker, *arguments)


class _Worker:
    """Stands where a pool has the handle of an actor."""

    def __init__(self, host: Any, worker: int) -> None:
        self.host = host
        self.evaluate, self.start = _Method(host.evaluate, worker), _Method(host.start, worker)


class AnsweredPool(RayPool):
    """A pool of simulated workers behind real Ray messages."""

    def __init__(self, num_workers: int, batch_size: int, seconds: tuple[float, float]) -> None:
        self._answering_seconds = seconds
        self._hosts: list[Any] = []
        self._numbers = itertools.count()
        super().__init__(
            "unused:unused",
            num_workers=num_workers,
            environment=dict,
            batch_size=batch_size,
            resources=WorkerResources(cpus=0.001),
        )

    def _new_seat(self, *, is_late: bool = False) -> _Seat:
        import sys

        number = next(self._numbers)
        if number % WORKERS_IN_A_PROCESS == 0:
            actor = self._ray.remote(num_cpus=0, max_concurrency=10 * WORKERS_IN_A_PROCESS)(
                _answering_class()
            )
            self._hosts.append(actor.remote(sys.path, self._answering_seconds))
        worker = _Worker(self._hosts[-1], number)
        return _Seat(worker, deque([_Call(worker.start.remote(), ())]))

    def close(self) -> None:
        for seat in self._seats:
            seat.actor = seat.actor.host
        super().close()


def measure_messages(num_workers: int, seconds: float) -> None:
    """Prints jobs a second and the driver's processor time for each, for several batch sizes."""
    job = Job(library_program("adamw"), tuple(("fake", seed, Part.VALIDATION) for seed in range(2)))
    for batch_size in (1, 2, 4, 8, 16):
        pool = AnsweredPool(num_workers, batch_size, (0.0, 0.0))
        try:
            _feed(pool, job, count=4 * num_workers)  # until all are up
            cpu, began = time.process_time(), time.monotonic()
            count = _feed(pool, job, seconds=seconds)
            cpu, wall = time.process_time() - cpu, time.monotonic() - began
        finally:
            pool.close()
        print(
            f"{num_workers:,} workers, {batch_size} jobs a call: {count / wall:7,.0f} jobs a second; "
            f"the driver's processor time is {1e6 * cpu / count:6,.0f} us a job",
            flush=True,
        )


def _feed(pool: RayPool, job: Job, *, seconds: float = math.inf, count: float = math.inf) -> int:
    """Keeps workers busy for a time or for so many results; gives the number of results."""
    number, done, end = itertools.count(), 0, time.monotonic() + seconds
    while time.monotonic() < end and done < count:
        for _ in range(pool.room):
            pool.submit(next(number), job)
        done += len(pool.wait(1.0))
    return done


class Cluster(FakePool):
    """Simulated workers that are lost and replaced; the driver's own time moves their clock too.

    What a lost worker had begun goes to the next that is free. The time that this class itself takes is not
    counted.

    Args:
        num_workers: there are so many, those that are being replaced included.
        seconds: draws how long a job takes.
        losses_a_day: of each worker, at random moments.
        restart_seconds: until another is in the place of a lost one.
    """

    def __init__(
        self, num_workers: int, seconds: Callable[[], float], losses_a_day: float, restart_seconds: float
    ) -> None:
        super().__init__(num_workers, seconds)
        self._losses_a_second = losses_a_day / 86_400
        self._restart_seconds = restart_seconds
        self._rng = random.Random(1)
        self._lost: set[int] = set()
        self._returns: list[float] = []
        self._driver = time.process_time()
        self.driver_seconds = 0.0
        self.num_lost = self.num_jobs = 0

    @property
    def num_free(self) -> int:
        while self._returns and self._returns[0] <= self.now:
            heapq.heappop(self._returns)
        return super().num_free - len(self._returns)

    def submit(self, job_id: int, payload: Job) -> None:
        self._let_driver_work()
        super().submit(job_id, payload)
        self._driver = time.process_time()

    def wait(self, timeout_seconds: float) -> list[Finished]:
        self._let_driver_work()
        if not self._running and self._returns:  # all workers were lost
            self._now = max(self._now, self._returns[0])
            self._start(self._now)
        done = super().wait(timeout_seconds)
        self._driver = time.process_time()
        return done

    def _let_driver_work(self) -> None:
        worked = time.process_time() - self._driver
        self._now += worked
        self.driver_seconds += worked

    def _run(self, job_id: int, job: Job, now: float) -> Run:
        run = super()._run(job_id, job, now)
        if self._losses_a_second:
            lost = now + self._rng.expovariate(self._losses_a_second)
            if lost < run.ends:
                self._lost.add(job_id)
                return run._replace(ends=lost)
        return run

    def _end(self, run: Run) -> list[Finished]:
        if run.job_id not in self._lost:
            self.num_jobs += 1
            return super()._end(run)
        self._lost.remove(run.job_id)
        self.num_lost += 1
        self._queue.appendleft((run.job_id, run.job))
        heapq.heappush(self._returns, run.ends + self._restart_seconds)
        return []


LOSSES_A_DAY: Mapping[str, float] = MappingProxyType(
    {
        "none lost": 0.0,
        "6.5 of 1,000 lost a day": 0.0065,
        "15 % lost a day": 0.15,
        "each lost once an hour": 24.0,
    }
)
"""Nodes of a large cluster fail 6.5 times in 1,000 days (Kokolis et al., arXiv 2410.21680); Google said of
preemptible machines that 5 to 15 % are taken away a day; the last is far beyond both."""
RESTART_SECONDS = 300.0


def simulate(num_workers: int, population: int) -> None:
    """Prints how busy workers are that take 1 to 20 minutes a job, and what of the driver they need."""
    rows = [
        *((Order.ASYNCHRONOUS, 1, losses) for losses in LOSSES_A_DAY),
        *((Order.DETERMINISTIC, lag * num_workers, "15 % lost a day") for lag in (3, 10)),
    ]
    for order, lag, losses in rows:
        rng = random.Random(0)
        pool = Cluster(num_workers, partial(rng.uniform, 60, 1200), LOSSES_A_DAY[losses], RESTART_SECONDS)
        settings = SearchSettings(PopulationSettings(population=population, order=order, lag=lag))
        with tempfile.TemporaryDirectory() as folder:
            budget = Budget(programs=10**9, evaluations=4 * num_workers)
            last = make_search(pool, settings, budget, Store.create(Path(folder) / "log.db", {})).run()
        name = str(order) if order is Order.ASYNCHRONOUS else f"{order}, lag {lag:,}"
        jobs_a_second = pool.num_jobs / pool.now
        print(
            f"{num_workers:,} workers, {losses}, {name}: useful {pool.busy_share():.1%}; "
            f"{last.num_programs:,} programs, {last.num_evaluated:,} evaluated, {pool.num_lost:,} jobs begun "
            f"again; {jobs_a_second:.1f} jobs a second, of which the driver can do "
            f"{pool.num_jobs / pool.driver_seconds:,.0f}",
            flush=True,
        )


def main() -> None:
    """Runs a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("messages", "simulate"))
    parser.add_argument("--workers", type=int, help="by default 1,000, simulated 10,000")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement of messages")
    parser.add_argument("--population", type=int, default=1000)
    options = parser.parse_args()
    if options.what == "messages":
        measure_messages(options.workers or 1_000, options.seconds)
    else:
        simulate(options.workers or 10_000, options.population)


if __name__ == "__main__":
    main()

"""How fast the search itself is, with everything of it real but the evaluator.

The driver, the log in a real SQLite file, hashes, fingerprints and the pool's protocol are those of a run;
the evaluator is a fake that makes a loss up from the program's text. Three measurements:

    python scripts/bench_search.py speed      one driver, evaluations of 0 ms: children a second and what
                                              they cost, at the end of 10,000 and of more individuals
    python scripts/bench_search.py workers    1,000 simulated workers whose jobs take 1 to 1000 ms: how busy
                                              they are, on a simulated clock
    python scripts/bench_search.py real       the same in real time: how many such workers one driver feeds

`speed` grows to 1,000,000 individuals with `--programs 1000000` (about ten minutes).
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import math
import random
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import Job, JobResult
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.workers.pool import Finished, Pool
from lion_search.results.judge import Judge
from lion_search.results.store import Store
from lion_search.search.driver import Search
from lion_search.search.progress import Progress
from lion_search.search.settings import Budget, Order, PopulationSettings, SearchSettings

TASK = "fake"
SAMPLES = [(TASK, 0), (TASK, 1)]
MARKS = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def fake_result(job: Job) -> JobResult:
    """Losses from the program alone: smooth enough that selection has something to do."""
    assert isinstance(job.subject, Program)
    digest = hashlib.blake2b(repr(job.subject).encode(), digest_size=8).digest()
    loss = math.exp(-int.from_bytes(digest, "big") / 2**64)
    return JobResult(tuple(Score(t, p, s, Status.OK, loss, 250, 0.01) for t, s, p in job.samples))


class FakePool:
    """A pool of simulated workers with a queue of two jobs for each, as Ray's has.

    Args:
        num_workers: that work at the same time.
        seconds: draws how long a job takes.
        clock: what time it is; ``None`` is a simulated clock that only the workers move.
    """

    def __init__(
        self,
        num_workers: int,
        seconds: Callable[[], float],
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._num_workers = num_workers
        self._seconds = seconds
        self._clock = clock
        self._now = 0.0
        self._queue: deque[tuple[int, Job]] = deque()
        self._running: list[Run] = []
        self._worked: list[tuple[float, float]] = []
        self.began: float | None = None
        self.ended = 0.0

    @property
    def now(self) -> float:
        """Seconds, simulated or real."""
        return self._now if self._clock is None else self._clock()

    @property
    def in_flight(self) -> int:
        return len(self._queue) + len(self._running)

    @property
    def room(self) -> int:
        return max(0, 2 * self._num_workers - self.in_flight)

    @property
    def num_free(self) -> int:
        """Workers that have nothing to do."""
        return self._num_workers - len(self._running)

    def submit(self, job_id: int, payload: Job) -> None:
        self.ended = self.now
        self._queue.append((job_id, payload))
        self._start(self.now)

    def wait(self, timeout_seconds: float) -> list[Finished]:
        if not self._running:
            return []
        if self._clock is None:
            self._now = max(self._now, self._running[0].ends)
        elif self.now < self._running[0].ends:
            time.sleep(min(timeout_seconds, self._running[0].ends - self.now))
        done = []
        while self._running and self._running[0].ends <= self.now:
            run = heapq.heappop(self._running)
            done += self._end(run)
            self._start(run.ends)
        return done

    def close(self) -> None:
        self._queue.clear()

    def busy_share(self) -> float:
        """Work in all workers' time, from when all were first busy (or any was) to the last submission."""
        began = min(start for start, _ in self._worked) if self.began is None else self.began
        worked = sum(max(0.0, min(end, self.ended) - max(start, began)) for start, end in self._worked)
        return worked / (self._num_workers * (self.ended - began))

    def _start(self, now: float) -> None:
        """Idle workers take what is queued."""
        while self._queue and self.num_free:
            job_id, job = self._queue.popleft()
            heapq.heappush(self._running, self._run(job_id, job, now))
        if self.began is None and not self.num_free:
            self.began = now

    def _run(self, job_id: int, job: Job, now: float) -> Run:
        """A job that begins."""
        return Run(now + self._seconds(), job_id, job, now)

    def _end(self, run: Run) -> list[Finished]:
        """What comes of a job."""
        self._worked.append((run.began, run.ends))
        return [Finished(run.job_id, fake_result(run.job))]


class Run(NamedTuple):
    """A job at a worker, the one that ends first before the others."""

    ends: float
    job_id: int
    job: Job
    began: float


def make_search(pool: Pool, settings: SearchSettings, budget: Budget, store: Store) -> Search:
    """A search from AdamW with a real log."""
    baseline = [Score(TASK, Part.VALIDATION, seed, Status.OK, 1.0, 250, 0.01) for _, seed in SAMPLES]
    adamw = library_program("adamw")
    return Search(adamw, settings, 0, pool, store, samples=SAMPLES, judge=Judge(baseline), budget=budget)


def measure_speed(num_programs: int, settings: SearchSettings) -> None:
    """Prints children a second, time in the database and memory, as the log grows."""
    marks = [mark for mark in MARKS if mark <= num_programs]
    last = {
        "seconds": 0.0,
        "cpu": time.process_time(),
        "programs": 0,
        "hits": 0.0,
        "store": 0.0,
        "bytes": float(_memory()),
    }
    rates: list[float] = []

    def show(progress: Progress) -> None:
        if not marks or progress.num_programs < marks[0]:
            return
        marks.pop(0)
        count = progress.num_programs - last["programs"]
        seconds = progress.seconds - last["seconds"]
        cpu = time.process_time() - last["cpu"]
        hits = sum(progress.hits.values())
        rates.append(count / cpu)
        print(
            f"to {progress.num_programs:9,} individuals: {count / seconds:6,.0f} children a second, "
            f"{rates[-1]:6,.0f} a second of processor time ({rates[-1] / rates[0]:.2f} of the first), "
            f"hit rate {(hits - last['hits']) / count:.1%}, "
            f"database {(progress.seconds_in_store - last['store']) / seconds:.1%} of the time, "
            f"{(_memory() - last['bytes']) / count:6,.0f} bytes of memory an individual",
            flush=True,
        )
        last.update(
            seconds=progress.seconds,
            cpu=time.process_time(),
            programs=progress.num_programs,
            hits=hits,
            store=progress.seconds_in_store,
            bytes=_memory(),
        )

    with tempfile.TemporaryDirectory() as folder:
        pool = FakePool(8, lambda: 0.0)
        budget, path = Budget(programs=num_programs), Path(folder) / "log.db"
        search = make_search(pool, settings, budget, Store.create(path, {}))
        search.run(on_progress=show)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"database: {size / num_programs:,.0f} bytes an individual")
        started = time.perf_counter()
        make_search(FakePool(8, lambda: 0.0), settings, budget, Store.open(path)).replay_log()
        seconds = time.perf_counter() - started
        print(
            f"replayed from its log in {seconds:.1f} s: {1e6 * seconds / num_programs:.0f} us an individual"
        )


def measure_workers(num_workers: int, population: int, *, real: bool, minutes: float) -> None:
    """Prints how busy simulated workers are in both orders."""
    for order, lag in ((Order.ASYNCHRONOUS, 1), (Order.DETERMINISTIC, 256), (Order.DETERMINISTIC, 10_000)):
        rng = random.Random(0)
        clock = time.monotonic if real else None
        pool = FakePool(num_workers, partial(rng.uniform, 0.001, 1.0), clock)
        chosen = SearchSettings(PopulationSettings(population=population, order=order, lag=lag))
        with tempfile.TemporaryDirectory() as folder:
            evaluations = None if real else 12 * num_workers
            limit = Budget(programs=10**9, evaluations=evaluations, minutes=minutes if real else None)
            search = make_search(pool, chosen, limit, Store.create(Path(folder) / "log.db", {}))
            started = time.monotonic()
            last = search.run()
            seconds = time.monotonic() - started
        name = str(order) if order is Order.ASYNCHRONOUS else f"{order}, lag {lag:,}"
        print(
            f"{num_workers:,} workers, {'real' if real else 'simulated'} clock, {name}: busy "
            f"{pool.busy_share():.1%}; {last.num_programs:,} programs, "
            f"{last.num_evaluated:,} evaluated, hit rate {last.hit_rate:.1%}; the driver took "
            f"{1e6 * seconds / last.num_programs:.0f} us a child",
            flush=True,
        )


def _memory() -> int:
    """The most bytes this process has held."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Runs a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("speed", "workers", "real"))
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--population", type=int, default=1000)
    options = parser.parse_args()
    if options.what == "speed":
        measure_speed(options.programs, SearchSettings(PopulationSettings(population=options.population)))
    else:
        real = options.what == "real"
        measure_workers(options.workers, options.population, real=real, minutes=options.minutes)


if __name__ == "__main__":
    main()

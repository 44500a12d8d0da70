"""Candidates that sleep, allocate, fail or kill their process, on a real worker with the real evaluator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from lion_search.dsl import functions
from lion_search.dsl.functions import load_function
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.proxy_tasks.workers.environment import worker_environment
from lion_search.proxy_tasks.workers.pool import FailureKind, Finished, JobLimits
from lion_search.proxy_tasks.workers.ray_pool import RayPool
from lion_search.proxy_tasks.workers.worker import make_worker

SECONDS = 5.0
GRACE_SECONDS = 6.0
ROWS = ("sleeping", "allocating", "failing", "killing")
SAMPLES = (("faults:sleepy_task", 0, Part.VALIDATION),)


@pytest.fixture(scope="module")
def pool() -> Iterator[RayPool]:
    """One worker; the bad functions are in this process's table too, for as long as the tests last."""
    references = tuple(f"faults:{name}" for name in ROWS)
    for reference in references:
        load_function(reference)
    factory = partial(make_worker, references, (SAMPLES[0][0],))
    limits = JobLimits(seconds_per_job=SECONDS, memory_bytes=2**30)
    pool = RayPool(factory, num_workers=1, environment=worker_environment, limits=limits)
    try:
        pool.submit(-1, GOOD)
        assert wait_for(pool, 1)[0].failure is None, "the worker is ready"
        yield pool
    finally:
        pool.close()
        for name in ROWS:
            del functions._TABLE[name]


def wait_for(pool: RayPool, count: int) -> list[Finished]:
    outcomes: list[Finished] = []
    while len(outcomes) < count:
        outcomes += pool.wait(timeout_seconds=10)
    return outcomes


def updating(expression: str) -> Job:
    return Job(parse(f"def train(w, g, lr):\n    update = {expression}\n    return update"), SAMPLES)


GOOD = updating("g * 0.1")


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("sleeping(g)", FailureKind.TIMED_OUT),
        ("allocating(g)", FailureKind.OUT_OF_MEMORY),
        ("failing(g)", FailureKind.RAISED),
        ("killing(g)", FailureKind.DIED),
        ("w * -3.0", FailureKind.TIMED_OUT),
    ],
    ids=[*ROWS, "a task that never comes back"],
)
def test_each_is_a_failure_within_the_limit_and_the_others_go_on(
    pool: RayPool, expression: str, kind: FailureKind
) -> None:
    started = time.monotonic()
    pool.submit(0, updating(expression))
    pool.submit(1, GOOD)
    first = wait_for(pool, 1)
    if kind is not FailureKind.DIED:  # which is tried again, in a new process whose start does not count
        assert time.monotonic() - started < SECONDS + GRACE_SECONDS, first
    bad, good = sorted(first + wait_for(pool, 2 - len(first)), key=lambda outcome: outcome.job_id)
    assert bad.failure is not None
    assert bad.failure.kind is kind, bad.failure
    assert good.value.scores[0].status is Status.OK, "the next job is evaluated as if nothing had been"

"""Candidates that sleep, allocate, fail or kill their process, on real workers with the real evaluator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lion_search.dsl import functions
from lion_search.dsl.functions import load_function
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.proxy_tasks.workers.pool import FailureKind, Finished, JobLimits
from lion_search.proxy_tasks.workers.ray_pool import RayPool
from lion_search.proxy_tasks.workers.worker import make_worker, worker_environment

HERE = Path(__file__).parent
SECONDS = 6.0
GRACE_SECONDS = 5.0
ROWS = ("sleeping", "allocating", "failing", "killing")
SAMPLES = (("digits_mlp?steps=20", 0, Part.VALIDATION),)
GOOD = parse("def train(w, g, lr):\n    update = g * 0.1\n    return update")


@pytest.fixture
def own_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    """The bad functions in this process's table, for as long as a test lasts."""
    monkeypatch.syspath_prepend(HERE)
    references = tuple(f"faults:{name}" for name in ROWS)
    for reference in references:
        load_function(reference)
    yield references
    for name in ROWS:
        del functions._TABLE[name]


@pytest.fixture
def pool(own_rows: tuple[str, ...]) -> Iterator[RayPool]:
    factory = partial(make_worker, own_rows, (SAMPLES[0][0],))
    limits = JobLimits(seconds_per_job=SECONDS, memory_bytes=3 * 2**29)
    pool = RayPool(factory, num_workers=1, environment=worker_environment(), limits=limits)
    pool.submit(-1, Job(GOOD, SAMPLES))
    assert wait_for(pool, 1)[0].failure is None, "the worker is ready"
    yield pool
    pool.close()


def wait_for(pool: RayPool, count: int) -> list[Finished]:
    outcomes: list[Finished] = []
    while len(outcomes) < count:
        outcomes += pool.wait(timeout_seconds=10)
    return outcomes


def bad(name: str) -> Job:
    return Job(parse(f"def train(w, g, lr):\n    update = {name}(g)\n    return update"), SAMPLES)


KINDS = {
    "sleeping": FailureKind.TIMED_OUT,
    "allocating": FailureKind.OUT_OF_MEMORY,
    "failing": FailureKind.RAISED,
    "killing": FailureKind.DIED,
}


def test_each_is_a_failure_within_the_limit_and_the_others_go_on(pool: RayPool) -> None:
    for number, name in enumerate(ROWS):
        started = time.monotonic()
        pool.submit(2 * number, bad(name))
        pool.submit(2 * number + 1, Job(GOOD, SAMPLES))
        first = wait_for(pool, 1)
        assert time.monotonic() - started < SECONDS + GRACE_SECONDS, (name, first)
        outcomes = sorted(first + wait_for(pool, 2 - len(first)), key=lambda outcome: outcome.job_id)
        assert outcomes[0].failure is not None
        assert outcomes[0].failure.kind is KINDS[name], outcomes[0].failure
        assert outcomes[1].value.scores[0].status is Status.OK, (
            "the next job is evaluated as if nothing had been"
        )


def test_a_task_that_never_comes_back_is_a_failure_of_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(HERE)
    samples = (("faults:sleepy_task", 0, Part.VALIDATION),)
    growing = parse("def train(w, g, lr):\n    update = w * -3.0\n    return update")
    factory = partial(make_worker, (), (samples[0][0],))
    pool = RayPool(
        factory, num_workers=1, environment=worker_environment(), limits=JobLimits(seconds_per_job=SECONDS)
    )
    try:
        pool.submit(0, Job(growing, samples))
        pool.submit(1, Job(GOOD, samples))
        failed, fine = sorted(wait_for(pool, 1) + wait_for(pool, 1), key=lambda outcome: outcome.job_id)
    finally:
        pool.close()
    assert failed.failure is not None
    assert failed.failure.kind is FailureKind.TIMED_OUT
    assert fine.value.scores[0].status is Status.OK

"""Scoring several optimizers at once, on the workers of a pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import CurveJob, Job, Subject
from lion_search.proxy_tasks.scores import Curve, Part, Score
from lion_search.proxy_tasks.workers.failures import failed
from lion_search.proxy_tasks.workers.pool import Finished, Pool


def evaluate_all(
    pool: Pool, subjects: Sequence[Subject], tasks: Sequence[str],
    part: Part, seeds: Sequence[int],
) -> list[tuple[Score, ...]]:  # fmt: skip
    """Scores subjects on all tasks and seeds; one tuple for each subject, shorter after a failure."""
    jobs = [Job(s, tuple((task, seed, part) for seed in seeds)) for s in subjects for task in tasks]
    results = dict(run_jobs(pool, jobs))
    return [
        tuple(score for number in range(first, first + len(tasks)) for score in results[number])
        for first in range(0, len(jobs), len(tasks))
    ]


def run_jobs(
    pool: Pool, jobs: Sequence[Job], should_stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[int, tuple[Score, ...]]]:
    """Runs jobs that give no choice; yields each one's place and scores as they come.

    Args:
        pool: evaluates jobs; it has no others under way.
        jobs: each with at least one sample.
        should_stop: asked now and then; once it says yes, only what is under way is finished.
    """
    for outcome in _run(pool, jobs, should_stop):
        task, seed, part = jobs[outcome.job_id].samples[0]
        failure = outcome.failure
        yield (
            outcome.job_id,
            outcome.value.scores if failure is None else (failed(task, part, seed, failure),),
        )


def run_curves(pool: Pool, jobs: Sequence[CurveJob]) -> Iterator[tuple[int, Curve]]:
    """Trains and looks on the way; yields each job's place and its curve as they come, if it did not fail."""
    for outcome in _run(pool, jobs, lambda: False):
        if outcome.failure is None:
            yield outcome.job_id, outcome.value


def _run(
    pool: Pool, payloads: Sequence[Job | CurveJob], should_stop: Callable[[], bool]
) -> Iterator[Finished]:
    """Gives a pool payloads as it has room, and yields what comes back, numbered by place."""
    waiting = deque(enumerate(payloads))
    num_open = 0
    while True:
        if should_stop():
            waiting.clear()
        for _ in range(min(pool.room, len(waiting))):
            pool.submit(*waiting.popleft())
            num_open += 1
        if not num_open:
            return
        for outcome in pool.wait(timeout_seconds=1.0):
            num_open -= 1
            yield outcome


def evaluate_baselines(
    pool: Pool, baselines: Mapping[str, Baseline], part: Part, seeds: Sequence[int]
) -> tuple[Score, ...]:
    """Scores each task's baseline on that task."""
    return tuple(
        score
        for task, baseline in baselines.items()
        for score in evaluate_all(pool, [baseline], [task], part, seeds)[0]
    )

"""Scoring several optimizers at once, on the workers of a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.pool import Pool
from lion_search.proxy_tasks.scores import Part, Score, failed
from lion_search.proxy_tasks.worker import Job, Subject


def evaluate_all(
    pool: Pool, subjects: Sequence[Subject], tasks: Sequence[str],
    part: Part, seeds: Sequence[int],
) -> list[tuple[Score, ...]]:  # fmt: skip
    """Scores subjects on all tasks and seeds; one tuple for each subject, shorter after a failure."""
    chunks = [(subject, task) for subject in range(len(subjects)) for task in tasks]
    for number, (subject, task) in enumerate(chunks):
        pool.submit(number, Job(subjects[subject], tuple((task, seed, part) for seed in seeds)))
    results: dict[int, tuple[Score, ...]] = {}
    while len(results) < len(chunks):
        for outcome in pool.wait(timeout_seconds=1.0):
            subject, task = chunks[outcome.job_id]
            failure = outcome.failure
            results[outcome.job_id] = (
                outcome.value if failure is None else (failed(task, part, seeds[0], failure),)
            )
    return [
        tuple(score for number, (s, _) in enumerate(chunks) if s == subject for score in results[number])
        for subject in range(len(subjects))
    ]


def evaluate_baselines(
    pool: Pool, baselines: Mapping[str, Baseline], part: Part, seeds: Sequence[int]
) -> tuple[Score, ...]:
    """Scores each task's baseline on that task."""
    return tuple(
        score
        for task, baseline in baselines.items()
        for score in evaluate_all(pool, [baseline], [task], part, seeds)[0]
    )

"""Scoring several optimizers at once, on the workers of a pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    results = dict(evaluate_each(pool, [(subjects[s], task) for s, task in chunks], part, seeds))
    return [
        tuple(score for number, (s, _) in enumerate(chunks) if s == subject for score in results[number])
        for subject in range(len(subjects))
    ]


def evaluate_each(
    pool: Pool, chunks: Sequence[tuple[Subject, str]], part: Part, seeds: Sequence[int]
) -> Iterator[tuple[int, tuple[Score, ...]]]:
    """Scores pairs of a subject and a task on all seeds; yields each one's place and scores as they come."""
    for number, (subject, task) in enumerate(chunks):
        pool.submit(number, Job(subject, tuple((task, seed, part) for seed in seeds)))
    left = len(chunks)
    while left:
        for outcome in pool.wait(timeout_seconds=1.0):
            failure = outcome.failure
            task = chunks[outcome.job_id][1]
            left -= 1
            yield (
                outcome.job_id,
                outcome.value.scores if failure is None else (failed(task, part, seeds[0], failure),),
            )


def evaluate_baselines(
    pool: Pool, baselines: Mapping[str, Baseline], part: Part, seeds: Sequence[int]
) -> tuple[Score, ...]:
    """Scores each task's baseline on that task."""
    return tuple(
        score
        for task, baseline in baselines.items()
        for score in evaluate_all(pool, [baseline], [task], part, seeds)[0]
    )

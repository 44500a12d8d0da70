"""What is done with a batch of jobs, whoever trains: which subject goes on, and where a job ends.

Of a job's subjects all are trained on its first sample; the best goes on alone if it passes the job's hurdle,
up to its first failure. Training itself is given as a function, so this module imports no JAX, and tests of
the search run it on made-up losses.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from lion_search.proxy_tasks.jobs import Job, JobResult, Sample, Subject
from lion_search.proxy_tasks.scores import Score, Status

Train = Callable[[Sequence[Subject], Sequence[Sample]], Sequence[Sequence[Score]]]
"""Trains subjects on samples of one task and part; gives for each subject its scores in order, up to and
including its first failure."""


def work(jobs: Sequence[Job], train: Train) -> list[JobResult]:
    """The results of jobs, in order; what has the same samples is trained in one call."""
    firsts = _first_scores(jobs, train)
    results = [_choose(job, firsts[i]) if i in firsts else JobResult(()) for i, job in enumerate(jobs)]
    rest = [
        Job(job.subjects[result.chosen], _left(job, result))
        for job, result in zip(jobs, results, strict=True)
    ]
    return [
        replace(result, scores=result.scores + more)
        for result, more in zip(results, _until_failure(rest, train), strict=True)
    ]


def _first_scores(jobs: Sequence[Job], train: Train) -> dict[int, list[Score]]:
    """For each job that has a choice or a hurdle, the first score of each of its subjects."""
    gated = [i for i, job in enumerate(jobs) if job.alternatives or job.max_first_loss is not None]
    firsts = [Job(subject, jobs[i].samples[:1]) for i in gated for subject in jobs[i].subjects]
    scores = iter(_until_failure(firsts, train))
    return {i: [next(scores)[0] for _ in jobs[i].subjects] for i in gated}


def _choose(job: Job, firsts: Sequence[Score]) -> JobResult:
    """The subject of the lowest first loss, if it passes the hurdle; the first one if all failed."""
    losses = [math.inf if score.loss is None else score.loss for score in firsts]
    chosen = min(range(len(losses)), key=losses.__getitem__)
    score = firsts[chosen]
    limit = job.max_first_loss
    if score.loss is not None and limit is not None and score.loss > limit:
        reason = f"a first loss of {score.loss:.6g} does not pass the hurdle of {limit:.6g}"
        score = replace(score, status=Status.STOPPED, reason=reason)
    others = tuple((place, other) for place, other in enumerate(firsts) if place != chosen)
    return JobResult((score,), chosen, others)


def _left(job: Job, result: JobResult) -> tuple[Sample, ...]:
    """The samples a job still has to be trained on."""
    if any(score.status is not Status.OK for score in result.scores):
        return ()
    return job.samples[len(result.scores) :]


def _until_failure(jobs: Sequence[Job], train: Train) -> list[tuple[Score, ...]]:
    """Trains each job's subject on all its samples, up to the first failure."""
    scores: list[list[Score]] = [[] for _ in jobs]
    waiting = [i for i, job in enumerate(jobs) if job.samples]
    while waiting:
        for samples, group in _groups(jobs, scores, waiting):
            found = train([jobs[i].subject for i in group], samples)
            for i, own in zip(group, found, strict=True):
                scores[i] += own
        waiting = [
            i for i in waiting
            if scores[i][-1].status is Status.OK and len(scores[i]) < len(jobs[i].samples)
        ]  # fmt: skip
    return [tuple(own) for own in scores]


def _groups(
    jobs: Sequence[Job], scores: Sequence[Sequence[Score]], waiting: Sequence[int]
) -> list[tuple[tuple[Sample, ...], list[int]]]:
    """The next samples, and the jobs to train on them at once."""
    groups: dict[tuple[Sample, ...], list[int]] = {}
    for i in waiting:
        groups.setdefault(_same_task(jobs[i].samples[len(scores[i]) :]), []).append(i)
    return [*groups.items()]


def _same_task(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """The first samples, as far as they are of one task and part."""
    task, _, part = samples[0]
    return tuple(itertools.takewhile(lambda s: (s[0], s[2]) == (task, part), samples))
